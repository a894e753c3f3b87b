/** Models that a reader may look for here, and why none of the rows is theirs. */
export const modelsWithoutRow: Readonly<Record<string, string>> = {
  lightglue:
    "a learned linear map makes each angle of both coordinates of a keypoint, so no axis drives a frequency",
  musicflamingo:
    "features of sound are turned once, by window and time multiplied with the time stamp; queries and keys follow one axis",
  internvl: "its decoder counts tokens on one axis; V2PE of its paper is the layout v2pe",
  hunyuan_image_3: "it isn't in Transformers; its own code is the layout hunyuan-image-3",
};
