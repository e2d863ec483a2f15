import { Module } from '@nestjs/common';
import { AdminGuard } from './admin.guard.js';

/** What administrators may do. Each controller of this room carries `@UseGuards(AdminGuard)`. */
@Module({ providers: [AdminGuard] })
export class AdminModule {}
