import { commandRow } from "../commandRow.ts";
import { integer, positiveInteger } from "../optionTypes.ts";

export const coefficientsRow = commandRow({
  example: "rotor coefficients --rows 2048 --cols 1024 --steps 5 --schedule",
  declare(program, { done, homeOption }) {
    program
      .command("coefficients")
      .description("find Newton–Schulz coefficients for Gaussian matrices, or for the momentum of a run")
      .option("--rows <n>", "rows of the matrices", positiveInteger)
      .option("--cols <n>", "columns of the matrices", positiveInteger)
      .option("--steps <n>", "Newton–Schulz steps", positiveInteger, 5)
      .option("--schedule", "also find a triple of its own for each step")
      .option("--bounded", "keep singular values beyond those of the matrices, up to 1, from diverging")
      .option("--samples <n>", "number of matrices (by default some 8192 singular values)", positiveInteger)
      .option("--seed <n>", "seed of the first matrix (by default 1)", positiveInteger)
      .option("--run <run>", "use the momentum matrices of a run trained with Muon")
      .option("--shape <rows>x<cols>", "only the run's matrices of this shape")
      .option("--checkpoint <step>", "use the run's checkpoint of this step", integer)
      .option("--out <file>", "write the table as JSON for optimizer.coefficients")
      .option("--json", "print the result as one line of JSON")
      .option(...homeOption)
      .action(async (flags) => {
        const { coefficientsCommand } = await import("../coefficientsCommand.ts");
        done(coefficientsCommand(flags));
      });
  },
});
