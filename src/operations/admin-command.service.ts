import { Injectable } from '@nestjs/common';
import { AdminAccountService } from '../auth/admin-account.service.js';
import { RunStopService } from '../chat/runs/run-stop.service.js';
import type { AdminCommand } from './admin-arguments.js';
import { textTable } from './text-table.js';

/** Who did it, in the audit log. */
const ACTOR = 'cli';

type WorkCommand = Exclude<AdminCommand, { name: 'help' }>;

/** Does what the command line says, with the same effects as the administrators' routes. */
@Injectable()
export class AdminCommandService {
  constructor(
    private readonly accounts: AdminAccountService,
    private readonly runs: RunStopService,
  ) {}

  /**
   * @param askPassword called once everything else about a new account is in order
   * @returns what to tell the person at the terminal
   * @throws {AppError} `not_found`, `email_taken`, `validation_failed`, `dependency_unavailable`
   */
  async run(command: WorkCommand, askPassword: () => Promise<string>): Promise<string> {
    switch (command.name) {
      case 'list':
        return this.list();
      case 'create-admin':
        return this.create(command.email, askPassword);
      case 'set-role':
        await this.accounts.change(ACTOR, await this.accounts.idOf(command.email), { role: command.role });
        return `${command.email} has the role ${command.role}`;
      case 'enable':
        await this.accounts.change(ACTOR, await this.accounts.idOf(command.email), { disabled: false });
        return `${command.email} is enabled`;
      case 'disable':
        return this.disable(command.email);
      case 'revoke':
        return this.revoke(command.email);
    }
  }

  private async list(): Promise<string> {
    const accounts = await this.accounts.list();
    const rows = accounts.map(({ email, role, isDisabled, createdAt }) => [
      email,
      role,
      isDisabled ? 'disabled' : 'enabled',
      createdAt.toISOString(),
    ]);
    return textTable(['ADDRESS', 'ROLE', 'STATE', 'CREATED'], rows);
  }

  private async create(email: string, askPassword: () => Promise<string>): Promise<string> {
    await this.accounts.requireFree(email);
    const user = await this.accounts.createAdmin(ACTOR, email, await askPassword());
    return `${user.email} is created with the role admin`;
  }

  // Sessions end before runs do: a run that was stopped cannot be asked for again.
  private async disable(email: string): Promise<string> {
    const userId = await this.accounts.idOf(email);
    await this.accounts.change(ACTOR, userId, { disabled: true });
    await this.runs.stopAllOf(userId);
    return `${email} is disabled, its sessions have ended`;
  }

  private async revoke(email: string): Promise<string> {
    const userId = await this.accounts.idOf(email);
    await this.accounts.revoke(ACTOR, userId);
    await this.runs.stopAllOf(userId);
    return `${email} is signed out everywhere`;
  }
}
