// What a board file may hold: Grafana's own types, with enums as the words and numbers that stand in JSON, and each panel with the options
// of its kind. A misspelt or misplaced property is an error of the compiler.
import type {
  AnnotationQuery,
  Dashboard,
  DataSourceRef,
  FieldConfig,
  GraphFieldConfig,
  HideableFieldConfig,
  Panel,
  RowPanel,
  TableFieldOptions,
  Threshold,
  VariableModel,
} from '@grafana/schema';
import type { Options as HeatmapOptions } from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.js';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.js';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.js';
import type { Options as GraphOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.js';

type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer U)[]
      ? Plain<U>[]
      : T extends object
        ? { [K in keyof T]: Plain<T[K]> }
        : T;

// What the schema leaves open, because the data source for Prometheus has it to itself.
interface Query {
  refId: string;
  expr: string;
  datasource: DataSourceRef;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
}

// JSON has no -Infinity; Grafana reads null as that.
type Step = Omit<Threshold, 'value'> & { value: number | null };
type Defaults<Custom> = Omit<Plain<FieldConfig>, 'custom' | 'thresholds' | 'links'> & {
  thresholds?: { mode: 'absolute' | 'percentage'; steps: Step[] };
  links?: { title: string; url: string; targetBlank: boolean }[];
  custom?: Plain<Custom>;
};

type Of<Type extends string, Options, Custom> = Omit<Plain<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type;
  title: string;
  options: Plain<Options>;
  targets: Query[];
  fieldConfig: {
    defaults: Defaults<Partial<Custom>>;
    overrides: { matcher: { id: 'byName'; options: string }; properties: { id: string; value?: unknown }[] }[];
  };
};

export type Stat = Of<'stat', StatOptions, Record<string, never>>;
export type Graph = Of<'timeseries', GraphOptions, GraphFieldConfig>;
export type Heatmap = Of<'heatmap', HeatmapOptions, HideableFieldConfig>;
export type Table = Of<'table', TableOptions, TableFieldOptions>;

export type Board = Omit<Plain<Dashboard>, 'panels' | 'annotations' | 'templating'> & {
  uid: string;
  title: string;
  annotations: { list: (Plain<AnnotationQuery> & { expr: string; titleFormat: string; textFormat: string; step: string })[] };
  templating: { list: Plain<VariableModel>[] };
  panels: (Plain<RowPanel> | Stat | Graph | Heatmap | Table)[];
};
