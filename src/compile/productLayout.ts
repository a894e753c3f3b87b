import { type SharedDimension, sizeOf } from "./view.ts";

/** How an operand of a batched product lies in memory: [batch, outer, inner], or with the flags the other ways round. */
export interface OperandForm {
  readonly innerLast: boolean;
  readonly batchInside: boolean;
}

export interface ProductLayout {
  readonly batch: readonly SharedDimension[];
  readonly rows: readonly SharedDimension[];
  readonly columns: readonly SharedDimension[];
  readonly inner: readonly SharedDimension[];
  readonly x: OperandForm;
  readonly y: OperandForm;
}

/**
 * Finds the order of the dimensions in a matrix product that needs the fewest copies: an operand whose memory order is
 * [batch, outer, inner], [batch, inner, outer], [outer, batch, inner] or [inner, batch, outer] is used as it lies.
 */
export function chooseLayout(
  batch: readonly SharedDimension[],
  rows: readonly SharedDimension[],
  columns: readonly SharedDimension[],
  inner: readonly SharedDimension[],
  hasFlags: boolean,
): ProductLayout {
  const inMemory = (list: readonly SharedDimension[], operand: number) =>
    [...list].sort((a, b) => b.strides[operand]! - a.strides[operand]!);
  const sizeOfOperand = (list: readonly SharedDimension[]) => sizeOf(list.map(({ size }) => size));
  const orderedRows = inMemory(rows, 0);
  const orderedColumns = inMemory(columns, 1);
  const sizes = [sizeOfOperand([...rows, ...inner]), sizeOfOperand([...columns, ...inner])];
  const fits = (
    operand: number,
    outer: readonly SharedDimension[],
    b: readonly SharedDimension[],
    k: readonly SharedDimension[],
  ) =>
    (hasFlags ? forms : plainForms(operand)).find((form) => {
      const [last, other] = form.innerLast ? [k, outer] : [outer, k];
      if (form.batchInside && (b.length === 0 || other.length === 0)) return false;
      const order = form.batchInside ? [...other, ...b, ...last] : [...b, ...other, ...last];
      return order.every((d, i) => i === 0 || order[i - 1]!.strides[operand]! > d.strides[operand]!);
    });
  let best: { cost: number; layout: ProductLayout } | undefined;
  for (const source of [0, 1]) {
    for (const batchSource of batch.length > 1 ? [0, 1] : [0]) {
      const b = inMemory(batch, batchSource);
      const k = inMemory(inner, source);
      const formX = fits(0, orderedRows, b, k);
      const formY = fits(1, orderedColumns, b, k);
      const cost = (formX === undefined ? sizes[0]! : 0) + (formY === undefined ? sizes[1]! : 0);
      if (best !== undefined && best.cost <= cost) continue;
      best = {
        cost,
        layout: {
          batch: b,
          rows: orderedRows,
          columns: orderedColumns,
          inner: k,
          x: formX ?? { innerLast: hasFlags ? endsInner(rows, inner, 0) : true, batchInside: false },
          y: formY ?? { innerLast: hasFlags && endsInner(columns, inner, 1), batchInside: false },
        },
      };
    }
  }
  return best!.layout;
}

/** Whether the innermost dimension in memory is contracted: a copy that keeps it innermost moves whole blocks. */
function endsInner(
  outer: readonly SharedDimension[],
  inner: readonly SharedDimension[],
  operand: number,
): boolean {
  const smallest = (list: readonly SharedDimension[]) =>
    Math.min(...list.map(({ strides }) => strides[operand]!));
  return smallest(inner) < smallest(outer);
}

const forms: readonly OperandForm[] = [
  { innerLast: true, batchInside: false },
  { innerLast: false, batchInside: false },
  { innerLast: true, batchInside: true },
  { innerLast: false, batchInside: true },
];

/** Without transpose flags the left operand is [outer, inner] and the right one [inner, outer]. */
function plainForms(operand: number): readonly OperandForm[] {
  return [{ innerLast: operand === 0, batchInside: false }];
}
