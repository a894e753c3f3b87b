import { DType } from "@jax-js/jax";
import { onnxTypeNumber, type Tensor, type TensorType } from "../graph.ts";
import type { Equation } from "../jaxpr.ts";
import type { Lowering } from "../lowering.ts";
import { unsupported } from "../unsupported.ts";
import { isFloat, tensorTypeOf, type Value } from "../value.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

type Emit = (lowering: Lowering, tensors: Tensor[], shape: number[], equation: Equation) => Tensor;

const integers: readonly DType[] = [DType.Int32, DType.Uint32];

/** The type in which ONNX Runtime has kernels for arithmetic on `type`; other types are cast to it and back. */
function arithmeticType(type: TensorType): TensorType {
  return type === "uint32" || type === "bool" || type === "uint8" ? "int64" : type;
}

/** Emits `op` in a type that has a kernel, and casts the result back (which wraps integers modulo 2³²). */
function inArithmeticType(
  lowering: Lowering,
  op: string,
  tensors: readonly Tensor[],
  shape: readonly number[],
): Tensor {
  const { graph } = lowering;
  const { type } = tensors[0]!;
  const wide = arithmeticType(type);
  const result = graph.op(
    op,
    tensors.map((t) => graph.cast(t, wide)),
    wide,
    shape,
  );
  return graph.cast(result, type);
}

/** Operands cast to the common dtype that jax-js gives the result. */
function promoted(lowering: Lowering, inputs: readonly Value[], dtype: DType): Value[] {
  return inputs.map((value) => lowering.cast(value, dtype));
}

function binary(operators: string, emit: Emit): PrimitiveRule {
  return {
    support: "all",
    operators,
    lower(lowering, inputs, equation) {
      const { shape, dtype } = equation.outBinders[0]!.aval;
      const operands = promoted(lowering, inputs, dtype);
      return [
        lowering.elementwise(operands, shape, dtype, (tensors, out) =>
          emit(lowering, tensors, out, equation),
        ),
      ];
    },
  };
}

/** The input of the node that made a value, if that node is `op` and leaves elements in place. */
function peel(value: Value, op: string): Value | null {
  let { tensor } = value;
  let producer = tensor.producer;
  if (producer?.op === "Reshape") {
    tensor = producer.inputs[0]!;
    producer = tensor.producer;
  }
  if (producer?.op !== op) return null;
  return { ...value, tensor: producer.inputs[0]! };
}

const add: PrimitiveRule = {
  support: "all",
  operators: "Add, Sub, Or",
  lower(lowering, inputs, equation) {
    const { shape, dtype } = equation.outBinders[0]!.aval;
    const [x, y] = promoted(lowering, inputs, dtype) as [Value, Value];
    const { graph } = lowering;
    if (dtype === "bool") {
      return [
        lowering.elementwise([x, y], shape, dtype, ([a, b], out) => graph.op("Or", [a!, b!], "bool", out)),
      ];
    }
    if (
      isFloat(dtype) &&
      x.tensor === y.tensor &&
      JSON.stringify(x.view.axes) === JSON.stringify(y.view.axes)
    ) {
      // The derivative of a square is a sum of two equal terms; as a factor it may be folded further.
      const two = graph.scalar(x.tensor.type, 2);
      return [lowering.unary(x, (t) => graph.op("Mul", [t, two], t.type, t.shape))];
    }
    // x + (−y) is how jax-js writes a difference.
    for (const [first, second] of [
      [x, y],
      [y, x],
    ] as const) {
      const subtrahend = peel(second, "Neg");
      if (subtrahend !== null) {
        return [
          lowering.elementwise([first, subtrahend], shape, dtype, (t, out) =>
            inArithmeticType(lowering, "Sub", t, out),
          ),
        ];
      }
    }
    return [
      lowering.elementwise([x, y], shape, dtype, (t, out) => inArithmeticType(lowering, "Add", t, out)),
    ];
  },
};

const mul: PrimitiveRule = {
  support: "all",
  operators: "Mul, Div, And",
  lower(lowering, inputs, equation) {
    const { shape, dtype } = equation.outBinders[0]!.aval;
    const [x, y] = promoted(lowering, inputs, dtype) as [Value, Value];
    const { graph } = lowering;
    if (dtype === "bool") {
      return [
        lowering.elementwise([x, y], shape, dtype, ([a, b], out) => graph.op("And", [a!, b!], "bool", out)),
      ];
    }
    // x · (1/y) is how jax-js writes a quotient. With a smaller y, the reciprocals are cheaper than the quotients.
    for (const [numerator, factor] of [
      [x, y],
      [y, x],
    ] as const) {
      const denominator = peel(factor, "Reciprocal");
      if (denominator !== null && denominator.view.storedSize >= numerator.view.storedSize) {
        return [
          lowering.elementwise([numerator, denominator], shape, dtype, ([a, b], out) =>
            graph.op("Div", [a!, b!], a!.type, out),
          ),
        ];
      }
    }
    return [
      lowering.elementwise([x, y], shape, dtype, (t, out) => inArithmeticType(lowering, "Mul", t, out)),
    ];
  },
};

/** Truncated quotient, with a divisor of 0 replaced by 1 for integers (the processor would stop the program). */
const integerQuotient: Emit = (lowering, [a, b], shape) => {
  const { graph } = lowering;
  if (a!.type === "float32" || a!.type === "float64") {
    const quotient = graph.op("Div", [a!, b!], a!.type, shape);
    const negative = graph.op("Less", [quotient, graph.scalar(a!.type, 0)], "bool", shape);
    const up = graph.op("Ceil", [quotient], a!.type, shape);
    const down = graph.op("Floor", [quotient], a!.type, shape);
    return graph.op("Where", [negative, up, down], a!.type, shape);
  }
  return inArithmeticType(lowering, "Div", [a!, nonZero(lowering, b!)], shape);
};

function nonZero(lowering: Lowering, divisor: Tensor): Tensor {
  const { graph } = lowering;
  const wide = graph.cast(divisor, "int64");
  const isZero = graph.op("Equal", [wide, graph.scalar("int64", 0)], "bool", wide.shape);
  const safe = graph.op("Where", [isZero, graph.scalar("int64", 1), wide], "int64", wide.shape);
  return graph.cast(safe, divisor.type);
}

/** Remainder with the sign of the dividend. */
const remainder: Emit = (lowering, [a, b], shape) => {
  const { graph } = lowering;
  if (a!.type === "float32" || a!.type === "float64")
    return graph.op("Mod", [a!, b!], a!.type, shape, { fmod: 1 });
  const [wideA, wideB] = [graph.cast(a!, "int64"), graph.cast(nonZero(lowering, b!), "int64")];
  return graph.cast(graph.op("Mod", [wideA, wideB], "int64", shape, { fmod: 1 }), a!.type);
};

function extremum(op: "Min" | "Max", forBool: "And" | "Or"): Emit {
  return ({ graph }, tensors, shape) =>
    graph.op(tensors[0]!.type === "bool" ? forBool : op, tensors, tensors[0]!.type, shape);
}

const bitCombine: PrimitiveRule = binary(
  "BitwiseAnd, BitwiseOr, BitwiseXor, And, Or, Xor",
  ({ graph }, tensors, shape, eqn) => {
    const name = { and: "And", or: "Or", xor: "Xor" }[eqn.params.op as "and" | "or" | "xor"];
    const { type } = tensors[0]!;
    return graph.op(type === "bool" ? name : `Bitwise${name}`, tensors, type, shape);
  },
);

/** Shifts of 32-bit integers; as in WebAssembly only the low five bits of the distance count, and right shifts are logical. */
const bitShift: PrimitiveRule = {
  support: "all",
  operators: "BitShift",
  lower(lowering, [x, y], equation) {
    const { graph } = lowering;
    const { shape, dtype } = equation.outBinders[0]!.aval;
    const direction = equation.params.op === "shl" ? "LEFT" : "RIGHT";
    const distance = lowering.cast(y!, DType.Uint32);
    return [
      lowering.elementwise([x!, distance], shape, dtype, ([a, b], out) => {
        const low = graph.op("BitwiseAnd", [b!, graph.scalar("uint32", 31)], "uint32", b!.shape);
        const shifted = graph.op("BitShift", [graph.cast(a!, "uint32"), low], "uint32", out, { direction });
        return graph.cast(shifted, a!.type);
      }),
    ];
  },
};

/** Population count by the usual sums of neighbouring bit fields, in int64. */
const bitCount: PrimitiveRule = {
  support: "all",
  operators: "BitwiseAnd, BitShift, Add, Sub, Mul",
  lower(lowering, [x]) {
    const { graph } = lowering;
    return [
      lowering.unary(
        x!,
        (t) => {
          const and = (a: Tensor, mask: number) =>
            graph.op("BitwiseAnd", [a, graph.scalar("uint32", mask)], "uint32", t.shape);
          const right = (a: Tensor, by: number) =>
            graph.op("BitShift", [a, graph.scalar("uint32", by)], "uint32", t.shape, { direction: "RIGHT" });
          const plus = (a: Tensor, b: Tensor, op = "Add") =>
            graph.cast(
              graph.op(op, [graph.cast(a, "int64"), graph.cast(b, "int64")], "int64", t.shape),
              "uint32",
            );
          const bits = graph.cast(t, "uint32");
          const pairs = plus(bits, and(right(bits, 1), 0x55555555), "Sub");
          const nibbles = plus(and(pairs, 0x33333333), and(right(pairs, 2), 0x33333333));
          const bytes = and(plus(nibbles, right(nibbles, 4)), 0x0f0f0f0f);
          const wide = graph.cast(bytes, "int64");
          const sum = graph.cast(
            graph.op("Mul", [wide, graph.scalar("int64", 0x01010101)], "int64", t.shape),
            "uint32",
          );
          return graph.cast(right(sum, 24), "int32");
        },
        DType.Int32,
      ),
    ];
  },
};

/** A function of one float; `types` lists what ONNX Runtime has kernels for. */
function floatUnary(op: string, emit?: (lowering: Lowering, tensor: Tensor) => Tensor): PrimitiveRule {
  return {
    support: "all",
    operators: op,
    lower(lowering, [x]) {
      return [
        lowering.unary(x!, (t) => (emit ? emit(lowering, t) : lowering.graph.op(op, [t], t.type, t.shape))),
      ];
    },
  };
}

const neg: PrimitiveRule = {
  support: "all",
  operators: "Neg",
  lower(lowering, [x]) {
    const { graph } = lowering;
    if (x!.dtype === "uint32" || x!.dtype === "bool") {
      return [
        lowering.unary(x!, (t) =>
          graph.cast(graph.op("Neg", [graph.cast(t, "int64")], "int64", t.shape), t.type),
        ),
      ];
    }
    return [lowering.op1("Neg", x!)];
  },
};

/** `1/x`; of integers as jax-js does it, in their own type. */
const reciprocal: PrimitiveRule = {
  support: "all",
  operators: "Reciprocal",
  lower(lowering, [x], equation) {
    if (!isFloat(x!.dtype)) throw unsupported(equation, "cast to a float first");
    return [lowering.op1("Reciprocal", x!)];
  },
};

/** Rounding leaves integers as they are. */
function rounding(op: string): PrimitiveRule {
  return {
    support: "all",
    operators: op,
    lower: (lowering, [x]) => [isFloat(x!.dtype) ? lowering.op1(op, x!) : x!],
  };
}

const identity: PrimitiveRule = { support: "all", operators: "none", lower: (_, [x]) => [x!] };

/** The same with float32 alone: only numbers within the integer's range are cast, and NaN, which no comparison holds for, becomes 0. */
function castWithin(
  { graph }: Lowering,
  x: Tensor,
  type: "int32" | "uint32",
  low: number,
  high: number,
): Tensor {
  const { shape } = x;
  const bound = (value: number) => graph.scalar(x.type, value);
  const pick = (condition: Tensor, value: Tensor, other: Tensor, of: TensorType) =>
    graph.op("Where", [condition, value, other], of, shape);
  const isAbove = graph.op("GreaterOrEqual", [x, bound(high + 1)], "bool", shape);
  const isBelow = graph.op("Less", [x, bound(low)], "bool", shape);
  const isWithin = graph.op(
    "And",
    [
      graph.op("GreaterOrEqual", [x, bound(low)], "bool", shape),
      graph.op("Less", [x, bound(high + 1)], "bool", shape),
    ],
    "bool",
    shape,
  );
  const inner = graph.cast(pick(isWithin, x, bound(0), x.type), type);
  return pick(isAbove, graph.scalar(type, high), pick(isBelow, graph.scalar(type, low), inner, type), type);
}

/** Float to integer saturates and takes NaN to 0, as jax-js does. */
const cast: PrimitiveRule = {
  support: "all",
  operators: "Cast",
  lower(lowering, [x], equation) {
    const { graph } = lowering;
    const dtype = equation.params.dtype as DType;
    if (isFloat(x!.dtype) && integers.includes(dtype)) {
      const [low, high] = dtype === "int32" ? [-2147483648, 2147483647] : [0, 4294967295];
      if (!lowering.device.wideCasts) {
        return [
          lowering.unary(x!, (t) => castWithin(lowering, t, dtype as "int32" | "uint32", low!, high!), dtype),
        ];
      }
      return [
        lowering.unary(
          x!,
          (t) => {
            const exact = graph.cast(t, "float64");
            const isNan = graph.op("IsNaN", [t], "bool", t.shape);
            const clipped = graph.op(
              "Clip",
              [exact, graph.scalar("float64", low), graph.scalar("float64", high)],
              "float64",
              t.shape,
            );
            const finite = graph.op(
              "Where",
              [isNan, graph.scalar("float64", 0), clipped],
              "float64",
              t.shape,
            );
            return graph.cast(graph.cast(finite, "int64"), dtype);
          },
          dtype,
        ),
      ];
    }
    return [lowering.cast(x!, dtype)];
  },
};

/** Reads the bits as another type of the same width. */
const bitcast: PrimitiveRule = {
  support: "all",
  operators: "BitCast",
  lower(lowering, [x], equation) {
    const { graph } = lowering;
    const dtype = equation.params.dtype as DType;
    if (x!.dtype === dtype) return [x!];
    const to = onnxTypeNumber[tensorTypeOf(dtype)];
    return [lowering.unary(x!, (t) => graph.op("BitCast", [t], tensorTypeOf(dtype), t.shape, { to }), dtype)];
  },
};

/**
 * erfc by the formula that jax-js uses (Abramowitz & Stegun 7.1.26); 1 − Erf(x) would lose all digits for large x.
 */
function complementaryErrorFunction({ graph }: Lowering, x: Tensor): Tensor {
  const { type, shape } = x;
  const number = (value: number) => graph.scalar(type, value);
  const binaryOp = (op: string, a: Tensor, b: Tensor) => graph.op(op, [a, b], type, shape);
  const unaryOp = (op: string, a: Tensor) => graph.op(op, [a], type, shape);
  const magnitude = unaryOp("Abs", x);
  const t = unaryOp("Reciprocal", binaryOp("Add", binaryOp("Mul", magnitude, number(0.3275911)), number(1)));
  let polynomial = number(1.061405429);
  for (const coefficient of [-1.453152027, 1.421413741, -0.284496736, 0.254829592]) {
    polynomial = binaryOp("Add", binaryOp("Mul", t, polynomial), number(coefficient));
  }
  const decay = unaryOp("Exp", unaryOp("Neg", binaryOp("Mul", x, x)));
  const tail = binaryOp("Mul", binaryOp("Mul", t, polynomial), decay);
  const isNegative = graph.op("Less", [x, number(0)], "bool", shape);
  return graph.op("Where", [isNegative, binaryOp("Sub", number(2), tail), tail], type, shape);
}

const compare: PrimitiveRule = {
  support: "all",
  operators: "Less, LessOrEqual, Equal, Not",
  lower(lowering, inputs, equation) {
    const { graph } = lowering;
    const { shape } = equation.outBinders[0]!.aval;
    const op = equation.params.op as "less" | "equal" | "not_equal" | "less_equal";
    const dtype = commonDtype(equation);
    const operands = promoted(lowering, inputs, dtype);
    return [
      lowering.elementwise(operands, shape, DType.Bool, (tensors, out) => {
        const wide = arithmeticType(tensors[0]!.type);
        const [a, b] = tensors.map((t) => graph.cast(t, wide)) as [Tensor, Tensor];
        if (op === "less") return graph.op("Less", [a, b], "bool", out);
        if (op === "less_equal") return graph.op("LessOrEqual", [a, b], "bool", out);
        const equal = graph.op("Equal", [a, b], "bool", out);
        return op === "equal" ? equal : graph.op("Not", [equal], "bool", out);
      }),
    ];
  },
};

/** The dtype in which jax-js compares two operands: weakly typed ones follow the other. */
function commonDtype(equation: Equation): DType {
  const rank: readonly DType[] = [
    DType.Bool,
    DType.Uint32,
    DType.Int32,
    DType.Float16,
    DType.Float32,
    DType.Float64,
  ];
  const higher = (a: DType, b: DType) => (rank.indexOf(a) >= rank.indexOf(b) ? a : b);
  const [a, b] = [equation.inputs[0]!.aval, equation.inputs[1]!.aval];
  if (a.weakType === b.weakType) return higher(a.dtype, b.dtype);
  return higher(a.weakType ? b.dtype : a.dtype, DType.Uint32);
}

const where: PrimitiveRule = {
  support: "all",
  operators: "Where",
  lower(lowering, [condition, x, y], equation) {
    const { graph } = lowering;
    const { shape, dtype } = equation.outBinders[0]!.aval;
    const operands = [condition!, lowering.cast(x!, dtype), lowering.cast(y!, dtype)];
    return [
      lowering.elementwise(operands, shape, dtype, ([c, a, b], out) => {
        const wide = a!.type === "uint32" ? "int64" : a!.type === "bool" ? "uint8" : a!.type;
        const chosen = graph.op("Where", [c!, graph.cast(a!, wide), graph.cast(b!, wide)], wide, out);
        return graph.cast(chosen, a!.type);
      }),
    ];
  },
};

export const elementwiseRules: PrimitiveRules = {
  add,
  mul,
  idiv: binary("Div, Floor, Ceil, Where", integerQuotient),
  mod: binary("Mod", remainder),
  min: binary("Min", extremum("Min", "And")),
  max: binary("Max", extremum("Max", "Or")),
  bit_combine: bitCombine,
  bit_shift: bitShift,
  bit_count: bitCount,
  neg,
  reciprocal,
  floor: rounding("Floor"),
  ceil: rounding("Ceil"),
  stop_gradient: identity,
  cast,
  bitcast,
  sin: floatUnary("Sin"),
  cos: floatUnary("Cos"),
  asin: floatUnary("Asin"),
  atan: floatUnary("Atan"),
  exp: floatUnary("Exp"),
  log: floatUnary("Log"),
  erf: floatUnary("Erf"),
  erfc: floatUnary("Abs, Reciprocal, Mul, Add, Exp, Where", complementaryErrorFunction),
  sqrt: floatUnary("Sqrt"),
  compare,
  where,
};
