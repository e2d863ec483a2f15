import { Injectable, type PipeTransform } from '@nestjs/common';
import type { ErrorCode } from '../../../protocol/errors.js';
import { isUuid } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';

/** An id in a path. One that is not a UUID gets the same error as an id that the user does not own. */
@Injectable()
export class PathIdPipe implements PipeTransform<string, string> {
  constructor(private readonly missing: ErrorCode) {}

  transform(value: string): string {
    if (!isUuid(value)) throw new AppError(this.missing);
    return value.toLowerCase();
  }
}
