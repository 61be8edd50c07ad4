// What the API answers when it cannot do what was asked: FastAPI's `{"detail": …}` with a status.

/** One complaint about the input, in the shape FastAPI users know. */
export interface InputFault {
  /** Where: 'body' | 'query' | 'path', then field names, or the offset of a JSON syntax error. */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  /** Pydantic's name of the fault, for example `int_parsing`. */
  readonly type: string;
}

/** Thrown by handlers; becomes `status` and `{"detail": …}`, with `headers` beside it. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly detail: string | readonly InputFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string | readonly InputFault[],
    options: { readonly cause?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(typeof detail === 'string' ? detail : 'the input was refused', { cause: options.cause });
    this.name = 'ApiFailure';
    this.status = status;
    this.detail = detail;
    this.headers = options.headers ?? {};
  }
}

/** 422: the input is at fault, and where. */
export function inputRefused(faults: readonly InputFault[]): ApiFailure {
  return new ApiFailure(422, faults);
}
