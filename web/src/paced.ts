// Drawing at a measured pace, however fast the values come.

/** Calls `draw` soon after it was asked to, at most `perSecond` times, and not at all while the page is hidden. */
export function paced(draw: () => void, perSecond: number): { (): void; stop(): void } {
  let due = false;
  let stopped = false;
  let frame = 0;
  let rest: ReturnType<typeof setTimeout> | undefined;
  const ask = (): void => {
    due = true;
    if (stopped || frame !== 0 || rest !== undefined) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      due = false;
      rest = setTimeout(() => {
        rest = undefined;
        if (due) ask();
      }, 1000 / perSecond);
      draw();
    });
  };
  ask.stop = (): void => {
    stopped = true;
    clearTimeout(rest);
    cancelAnimationFrame(frame);
  };
  return ask;
}
