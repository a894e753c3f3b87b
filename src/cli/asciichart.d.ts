declare module "asciichart" {
  interface PlotOptions {
    readonly height?: number;
    readonly min?: number;
    readonly max?: number;
    readonly format?: (value: number) => string;
    readonly colors?: readonly string[];
  }
  const asciichart: {
    plot(series: readonly number[] | readonly (readonly number[])[], options?: PlotOptions): string;
    readonly blue: string;
    readonly green: string;
    readonly magenta: string;
    readonly cyan: string;
  };
  export default asciichart;
}
