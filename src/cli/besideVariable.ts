/** By this variable a training says that the page is served beside it: it holds the process that waits for the address. */
export const besideVariable = "ROTOR_UI_BESIDE";
