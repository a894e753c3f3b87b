import type { FrequencyAllocation } from "../frequencyAllocation.ts";
import type { RopeScaling } from "../ropeScaling.ts";
import type { RotaryPairing } from "../rotary.ts";

/** How frames of a video get their time in M-RoPE. */
export type FrameTime =
  /** Frame `k` lies at `start + k`. */
  | { readonly kind: "index" }
  /** Every frame is an image of its own, where text would go on after the frame before. */
  | { readonly kind: "apart" }
  /** By the seconds of the video. */
  | {
      readonly kind: "seconds";
      /** Positions per second. */
      readonly perSecond: number;
      /**
       * In what order float32 rounds, which decides on which side of a whole number a time falls: `k·(perSecond·seconds)` (`"interval"`),
       * `(k·seconds)·perSecond` (`"frame"`), or `k·perSecond·⌊seconds⌋` (`"whole seconds"`).
       */
      readonly product: "interval" | "frame" | "whole seconds";
      /** Times are cut to whole numbers; if not, they and all that follows are float32. */
      readonly truncated: boolean;
    };

/** What gives tokens their positions, as data. */
export type PositionRule =
  /**
   * Text at `t = h = w = n`, row `i` and column `j` of a grid at `h = start + i`, `w = start + j`.
   */
  | {
      readonly kind: "mrope";
      readonly time: FrameTime;
      /** Where text goes on: `start + max(h, w)`, or after the largest coordinate of the grid. */
      readonly advance: "grid" | "all-axes";
      /** A line break ends each row of a grid, as one more column. */
      readonly newlineColumn?: boolean;
      /** Sound of a video is woven into its frames, between two markers before and two after. */
      readonly sound?: "chunks of two seconds" | "by time";
      /** The images that the model makes have places in a table, the last image of the document first. */
      readonly makesImages?: boolean;
    }
  /** Axes n, w, h, image: all are the number of the token, but in an image w, h and the number of the image. */
  | { readonly kind: "xdrope" }
  /** A thumbnail stretched over the canvas of its slices, markers at its corners. */
  | { readonly kind: "canvas" }
  /** A page of patches behind two tokens, and nothing else. */
  | { readonly kind: "page" }
  /** A vision encoder: each image lies by itself. */
  | {
      readonly kind: "grid";
      /** Coordinate of the first row and column. Default 0. */
      readonly first?: number;
      /** Patches come in blocks that are merged later, each in raster order. Default raster order throughout. */
      readonly blocks?: boolean;
      /** `2π(2(i + ½)/size − 1)` instead of `i`: an image has the same extent whatever its size. */
      readonly centred?: boolean;
      /** Coordinates are multiplied by this over the columns of the grid, in float32. Default: they aren't. */
      readonly extent?: number;
      /** One token without position in front (`"first"`) or at the end: it lies at 0 on all axes. */
      readonly classToken?: "first" | "last";
    };

/** How heads turn. */
export interface ModelRotary {
  /** Components of a head. */
  readonly headDim: number;
  /** Those that turn. Default all. */
  readonly rotaryDim?: number;
  readonly base: number;
  readonly pairing: RotaryPairing;
  readonly allocation: FrequencyAllocation;
  readonly scaling?: RopeScaling;
}

/** One published rule: what a model's own code does with positions. */
export interface PositionModel {
  /** Version of Transformers that was read. */
  readonly transformers: string;
  /** File of its package that was read. */
  readonly source: string;
  /** Whose queries and keys turn: those of the decoder, or of the encoder of images. */
  readonly part: "decoder" | "encoder" | "vision";
  /** Names of the axes, in the order of the position ids. */
  readonly axes: readonly string[];
  readonly rule: PositionRule;
  /** Side of the square of patches that become a token, where the grid is counted in patches. */
  readonly spatialMergeSize: number;
  /** Frames that become one. Default 1. */
  readonly temporalMergeSize?: number;
  /** Coordinates of padding. Default 0. */
  readonly padding?: number;
  /** The same in a batch without images or videos, where it is another. */
  readonly paddingOfText?: number;
  /** The delta is counted from the places of a row, padding among them, not from its tokens. Default false. */
  readonly deltaCountsPadding?: boolean;
  /** How heads turn, by kind of layer where layers differ; null for a kind that doesn't turn. */
  readonly rotary: ModelRotary | { readonly [layerKind: string]: ModelRotary | null };
  /** Sizes that the class of the model leaves open or can't be built with, so that those of published files stand here. */
  readonly published?: string;
  /** The paper, where there is one, and what it says otherwise. */
  readonly note?: string;
}
