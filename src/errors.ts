/**
 * Base of every error that Rotor throws on purpose. `code` is stable across versions, the message is one line that
 * names the thing, its value and what is allowed.
 */
export class RotorError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
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

/** A checkpoint is missing, damaged, or was made by something else. */
export class CheckpointError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_CHECKPOINT", message, options);
  }
}

/** The run store can't be opened, read or written, or a run in it isn't what was asked for. */
export class RunStoreError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_RUN_STORE", message, options);
  }
}

/** Training produced a NaN or an infinity. */
export class NonFiniteError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_NON_FINITE", message, options);
  }
}

/** The database of sweeps can't be reached just now; what is on this machine is kept. */
export class DatabaseAwayError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_DATABASE_AWAY", message, options);
  }
}
