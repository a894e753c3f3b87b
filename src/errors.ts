import { visibleLine } from "./visibleText.ts";

/**
 * Base of every error that Rotor throws on purpose. `code` is stable across versions, the message is one line that
 * names the thing, its value and what is allowed; control characters in a value are visible.
 */
export class RotorError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(visibleLine(message), options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An array has a shape or dtype that the function can't take. */
export class ShapeError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_SHAPE", message, options);
  }
}

/** An option, configuration key or combination of them is not allowed. */
export class ConfigError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_CONFIG", message, options);
  }
}

/** A handle or array was used after it was disposed of, or belongs to something else. */
export class OwnershipError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_OWNERSHIP", message, options);
  }
}

/** A text, image or table that was given as data can't be used. */
export class DataError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_DATA", message, options);
  }
}

/** A model of another program has what has no counterpart here, or the other way round. */
export class ExchangeError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_EXCHANGE", message, options);
  }
}

/** A file or folder can't be written: the disk is full, a right is missing, or something else stands in its place. */
export class OutputError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_OUTPUT", message, options);
  }
}

/** A checkpoint is missing, damaged, or was made by something else. */
export class CheckpointError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_CHECKPOINT", message, options);
  }
}

/** The run store can't be opened, read or written, or a run in it isn't what was asked for. */
export class RunStoreError extends RotorError {
  constructor(message: string, options?: ErrorOptions, code = "ROTOR_RUN_STORE") {
    super(code, message, options);
  }
}

/** The file of a store is damaged, missing or emptied, or lacks runs, while folders of runs are there to make it anew from. */
export class StoreLostError extends RunStoreError {
  /** Arguments of the command that makes it anew. */
  readonly remedy: "runs rebuild" | "sweep rebuild";

  constructor(message: string, options?: ErrorOptions, remedy: StoreLostError["remedy"] = "runs rebuild") {
    super(message, options, "ROTOR_STORE_LOST");
    this.remedy = remedy;
  }
}

/** A living process trains the run already. */
export class RunLockedError extends RunStoreError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, "ROTOR_RUN_LOCKED");
  }
}

/** Training produced a NaN or an infinity. */
export class NonFiniteError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_NON_FINITE", message, options);
  }
}

/** A store can't be used just now: its server can't be reached, or another process has locked its file. Trying again may help. */
export class DatabaseAwayError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_DATABASE_AWAY", message, options);
  }
}

/** What was asked for would take more memory than there is or is allowed. */
export class MemoryError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_MEMORY", message, options);
  }
}
