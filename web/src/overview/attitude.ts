// The spacecraft's attitude as a small wire model: a body and two wings, turned by the attitude quaternion (scalar
// last) and seen from above and aside. It shows that and how the craft turns; the numbers stand beside it.
import { svg, type TemplateResult } from 'lit-html';

export type Quaternion = readonly [x: number, y: number, z: number, w: number];
type Vector = readonly [number, number, number];

const BODY: readonly Vector[] = [[-1, -1, -1.4], [1, -1, -1.4], [1, 1, -1.4], [-1, 1, -1.4], [-1, -1, 1.4], [1, -1, 1.4], [1, 1, 1.4], [-1, 1, 1.4]];
const FACES: readonly (readonly number[])[] = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [2, 3, 7, 6], [1, 2, 6, 5], [0, 3, 7, 4]];
const WINGS: readonly (readonly Vector[])[] = [
  [[0, 1.2, -0.9], [0, 4, -0.9], [0, 4, 0.9], [0, 1.2, 0.9]],
  [[0, -1.2, -0.9], [0, -4, -0.9], [0, -4, 0.9], [0, -1.2, 0.9]],
];
const AXES: readonly (readonly [string, Vector])[] = [['x', [3.2, 0, 0]], ['y', [0, 4.9, 0]], ['z', [0, 0, 3.6]]];

function turn([x, y, z, w]: Quaternion, [a, b, c]: Vector): Vector {
  const u = 2 * (y * c - z * b);
  const v = 2 * (z * a - x * c);
  const t = 2 * (x * b - y * a);
  return [a + w * u + (y * t - z * v), b + w * v + (z * u - x * t), c + w * t + (x * v - y * u)];
}

/** Seen from 30 degrees aside and 25 above. */
const project = ([x, y, z]: Vector): [number, number] => [0.866 * y - 0.5 * x, -0.906 * z + 0.423 * (0.5 * y + 0.866 * x)];

export function drawAttitude(quaternion: Quaternion): TemplateResult {
  const norm = Math.hypot(...quaternion) || 1;
  const unit = quaternion.map((part) => part / norm) as unknown as Quaternion;
  const outline = (points: readonly Vector[]) => `M${points.map((point) => project(turn(unit, point)).map((n) => n.toFixed(3)).join(' ')).join('L')}Z`;
  return svg`
    <svg class="pg-attitude" viewBox="-5 -4.6 10 9.2" role="img" aria-label="Attitude">
      ${WINGS.map((wing) => svg`<path class="pg-attitude__wing" d=${outline(wing)} />`)}
      ${FACES.map((face) => svg`<path class="pg-attitude__body" d=${outline(face.map((corner) => BODY[corner]!))} />`)}
      ${AXES.map(([name, axis]) => {
        const [x, y] = project(turn(unit, axis));
        return svg`<line class="pg-attitude__axis pg-attitude__axis--${name}" x1="0" y1="0" x2=${x} y2=${y} />
          <text x=${x * 1.1} y=${y * 1.1 + 0.2}>${name}</text>`;
      })}
    </svg>` as unknown as TemplateResult;
}
