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
