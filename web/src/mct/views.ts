// Makes a function that draws into an element a view of Open MCT.
import type { DomainObject, OpenMCT } from 'openmct';

/** Draws until it is stopped. */
export type Draw = (element: HTMLElement, object: DomainObject) => () => void;

export function addView(openmct: OpenMCT, type: string, name: string, cssClass: string, draw: Draw): void {
  openmct.objectViews.addProvider({
    key: `${type}.view`,
    name,
    cssClass,
    canView: (object) => object.type === type,
    priority: () => openmct.priority.HIGH,
    view: (object) => {
      let stop: (() => void) | undefined;
      return {
        show: (element) => {
          const root = document.createElement('div');
          root.className = 'pg-view';
          element.append(root);
          stop = draw(root, object);
        },
        destroy: () => stop?.(),
      };
    },
  });
}

/** Calls `draw` soon after it was asked to, at most `perSecond` times, and never for a page that is hidden. */
export function paced(draw: () => void, perSecond = 5): { (): void; stop(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let frame = 0;
  const ask = () => {
    if (timer !== undefined || frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      draw();
      timer = setTimeout(() => {
        timer = undefined;
        if (again) {
          again = false;
          ask();
        }
      }, 1000 / perSecond);
    });
  };
  let again = false;
  const paced = () => {
    if (timer !== undefined) again = true;
    else ask();
  };
  paced.stop = () => {
    clearTimeout(timer);
    timer = undefined;
    cancelAnimationFrame(frame);
    again = false;
    // A stopped view stays still, whoever still calls.
    frame = -1;
  };
  return paced;
}
