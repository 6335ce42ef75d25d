// The part of Open MCT's API that the page uses. The package's own declarations describe its source modules, not the
// object that the bundle exports.
declare module 'openmct' {
  export interface Identifier {
    namespace: string;
    key: string;
  }

  export interface DomainObject {
    identifier: Identifier;
    name: string;
    type: string;
    location?: string;
    notes?: string;
    composition?: Identifier[];
    telemetry?: { values: ValueMetadata[] };
    configuration?: object;
  }

  export interface ValueMetadata {
    key: string;
    source?: string;
    name: string;
    unit?: string;
    format?: string;
    formatString?: string;
    enumerations?: { value: number; string: string }[];
    hints?: Record<string, number>;
  }

  export interface Datum {
    utc: number;
    value: unknown;
    severity?: string;
  }

  export interface RequestOptions {
    start: number;
    end: number;
    size?: number;
    strategy?: string;
    signal?: AbortSignal;
  }

  export interface View {
    show(element: HTMLElement): void;
    destroy(): void;
  }

  export interface ViewProvider {
    key: string;
    name: string;
    cssClass: string;
    canView(object: DomainObject): boolean;
    view(object: DomainObject): View;
    priority?(object: DomainObject): number;
  }

  export interface SimpleIndicator {
    key: string;
    priority: number;
    element: HTMLElement;
    text(text: string): string;
    description(text: string): string;
    iconClass(name: string): string;
    statusClass(name: string): string;
    on(event: 'click', callback: () => void): void;
  }

  export interface MenuItem {
    name: string;
  }

  export interface OpenMCT {
    element: HTMLElement;
    install(plugin: (openmct: OpenMCT) => void): void;
    setAssetPath(path: string): void;
    start(): void;
    on(event: string, callback: () => void): void;
    plugins: Record<string, (...options: any[]) => (openmct: OpenMCT) => void>;
    priority: { HIGH: number; DEFAULT: number; LOW: number };
    branding(options: { smallLogoImage?: string; aboutHtml?: string }): void;
    types: {
      addType(key: string, type: { name: string; description?: string; cssClass: string; creatable?: boolean }): void;
      get(key: string): { definition: { creatable: boolean } };
    };
    objects: {
      addRoot(identifier: Identifier | (() => Promise<Identifier[]>), priority?: number): void;
      addProvider(namespace: string, provider: { get(identifier: Identifier): Promise<DomainObject> }): void;
      makeKeyString(identifier: Identifier): string;
    };
    objectViews: { addProvider(provider: ViewProvider): void };
    telemetry: {
      addProvider(provider: object): void;
    };
    indicators: {
      add(indicator: SimpleIndicator | { key: string; element: HTMLElement; priority: number }): void;
      simpleIndicator(): SimpleIndicator;
    };
    faults: { addProvider(provider: object): void; supportsActions(): boolean };
    menus: { showMenu(x: number, y: number, items: MenuItem[], options?: object): void };
    notifications: { error(message: string): void; info(message: string): void; alert(message: string): void };
    router: { navigate(path: string): void; path: DomainObject[] };
    time: {
      setMode(mode: 'fixed' | 'realtime'): void;
      setClock(key: string): void;
      setTimeSystem(key: string): void;
      setClockOffsets(offsets: { start: number; end: number }): void;
    };
  }

  const openmct: OpenMCT;
  export default openmct;
}

/** Where the build put the scripts that Open MCT starts as workers. */
declare const __OPENMCT_ASSETS__: string;
