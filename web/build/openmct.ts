// Makes Open MCT fit for a content security policy without 'unsafe-eval' and 'unsafe-inline'. Its views are mounted
// from template strings, which Vue would compile in the browser with `new Function`; here every such string is compiled
// when the page is built, and the bundle looks the result up. The style sheet of its Plotly becomes a constructed one;
// those of its image editor, which serves notebooks only, are left out as notebooks are. Also lays out the one worker
// script that Open MCT starts by URL.
// A release of Open MCT that changes these places fails the build; it is never shipped half converted.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '@vue/compiler-dom';
import type { Plugin } from 'vite';

const WORKER = 'inMemorySearchWorker.js';
const TEMPLATE = /\btemplate:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\$]|\\.)*`)/g;

/** Each place is found exactly once. */
const PLACES: readonly { what: string; pattern: RegExp; replacement: string }[] = [
  {
    what: 'the template compiler of Vue',
    pattern: /new Function\("Vue",\w+\)\((\w+)\);return (\w+)\._rc=!0,\w+\[(\w+)\]=\2/g,
    replacement: 'PERIGEE_RENDER($3)($1);return $2',
  },
  {
    what: 'the style element of Plotly',
    pattern: /\(\(\w+=document\.createElement\("style"\)\)\.setAttribute\("id",\w+\),\w+\.appendChild\(document\.createTextNode\(""\)\),document\.head\.appendChild\(\w+\)\);var (\w+)=\w+\.sheet;/g,
    replacement: '0;var $1=PERIGEE_SHEET();',
  },
  {
    what: 'the style elements of the image editor',
    pattern: /var \w+=document\.createElement\("style"\),\w+=\w+\.attributes\|\|\{\};if\(void 0===\w+\.nonce\)/g,
    replacement: 'return{setAttribute(){},removeAttribute(){},styleSheet:{}};$&',
  },
];

const HELPERS = `
function PERIGEE_RENDER(template){const render=PERIGEE_TEMPLATES[template];
if(!render)throw new Error("no precompiled template: "+template);return render}
function PERIGEE_SHEET(){const sheet=new CSSStyleSheet();document.adoptedStyleSheets.push(sheet);return sheet}
`;

export function openMct(dist: string): Plugin {
  const worker = readFileSync(join(dist, WORKER), 'utf8').replace(/\/\/# sourceMappingURL=.*\s*$/, '');
  const folder = `assets/openmct-${createHash('sha256').update(worker).digest('hex').slice(0, 8)}`;
  return {
    name: 'perigee-openmct',
    config: () => ({
      define: { __OPENMCT_ASSETS__: JSON.stringify(`/${folder}`) },
      resolve: { alias: { 'openmct-theme.css': join(dist, 'espressoTheme.css') } },
    }),
    // Before Vite looks for the files that the theme names.
    enforce: 'pre',
    transform: {
      filter: { id: /node_modules[\\/]openmct[\\/]dist[\\/](openmct\.js|espressoTheme\.css)$/ },
      handler: (code, id) => ({ code: id.endsWith('.js') ? convert(code) : slim(code), map: null }),
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: `${folder}/${WORKER}`, source: worker });
    },
  };
}

function convert(bundle: string): string {
  let converted = bundle;
  for (const { what, pattern, replacement } of PLACES) {
    const found = [...bundle.matchAll(pattern)].length;
    if (found !== 1) throw new Error(`openmct.js has changed: ${what} found ${found} times`);
    converted = converted.replace(pattern, replacement);
  }
  const table = templates(bundle).map((template) => {
    const { code } = compile(template, { mode: 'function', prefixIdentifiers: true, hoistStatic: false });
    return `${JSON.stringify(template)}:function(Vue){${code}}`;
  });
  return `const PERIGEE_TEMPLATES={${table.join(',\n')}};${HELPERS}${converted}`;
}

/** The theme without the pictures of the About box (the insignia are NASA’s own), and with one form of each font: browsers of today read WOFF. */
function slim(theme: string): string {
  return theme.replace(/url\([^)]*(?:bg-splash|logo-nasa)[^)]*\)/g, 'none').replace(/,\s*url\([^)]*\.ttf[^)]*\)\s*format\("truetype"\)/g, '');
}

function templates(bundle: string): string[] {
  const found = new Set<string>();
  for (const [, literal] of bundle.matchAll(TEMPLATE)) {
    const template = literal!.slice(1, -1).replace(/\\(["'`\\])/g, '$1').replace(/\\n/g, '\n');
    if (/^\s*</.test(template)) found.add(template);
  }
  return [...found];
}
