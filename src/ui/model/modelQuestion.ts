import type { AtlasView, AttentionView, BetweenView, ContinuationView } from "../views.ts";

/** Of which model something is asked. */
export interface ModelPlace {
  readonly run: string;
  readonly step: number;
}

/** Text that a model goes on with. */
export interface ContinueQuestion extends ModelPlace {
  readonly kind: "continue";
  readonly prompt: string;
  /** Tokens after the prompt that were chosen before. */
  readonly ids: readonly number[];
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number | null;
  readonly topP: number | null;
  readonly seed: number;
  /** So many of the likeliest tokens are told at each place. */
  readonly choices: number;
}

/** What each head of a layer attends to. */
export interface AttentionQuestion extends ModelPlace {
  readonly kind: "attention";
  readonly prompt: string;
  readonly layer: number;
}

/** Pictures of codes of one codebook, each alone: everywhere in the image, with `base` in the other codebooks. */
export interface AtlasQuestion extends ModelPlace {
  readonly kind: "atlas";
  readonly codebook: number;
  readonly from: number;
  readonly base: number;
}

/** Pictures of vectors between those of two codes. */
export interface BetweenQuestion extends ModelPlace {
  readonly kind: "between";
  readonly codebook: number;
  readonly base: number;
  readonly codes: readonly [number, number];
}

export type ModelQuestion = ContinueQuestion | AttentionQuestion | AtlasQuestion | BetweenQuestion;

/** What is answered to each kind. */
export interface ModelAnswers {
  readonly continue: ContinuationView;
  readonly attention: AttentionView;
  readonly atlas: AtlasView;
  readonly between: BetweenView;
}

/** To the process that has the model. */
export type ToModel =
  | { readonly id: number; readonly question: ModelQuestion }
  /** The answer isn't wanted any more. */
  | { readonly id: number; readonly cancel: true };

/** From it. */
export type FromModel =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
