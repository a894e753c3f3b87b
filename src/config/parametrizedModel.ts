import type { ParametrizedModel } from "../nn/index.ts";
import type { TrainConfig } from "./schema.ts";

/** What a configuration says of its parametrization; null where it is the standard one, and for tasks that have no other. */
export function parametrizedModel(config: TrainConfig): ParametrizedModel | null {
  if (config.task === "autoencoder" || config.task === "own") return null;
  const { model } = config;
  const { parametrization = "standard" } = model;
  if (parametrization === "standard") return null;
  return {
    parametrization,
    modelDim: model.modelDim,
    headDim: model.headDim ?? model.modelDim / model.numHeads,
    numLayers: model.numLayers,
    baseDim: model.baseDim ?? null,
    baseHeadDim: model.baseHeadDim ?? null,
    baseLayers: model.baseLayers ?? null,
    tiedHead: model.tiedHead ?? false,
  };
}
