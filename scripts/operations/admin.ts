import { runAdminCommand } from '../../src/admin-command.js';
import { withDemoEngines } from './demo-engines.js';

const environment = withDemoEngines(process.env, process.cwd());
// At once: whatever is left of a connection, the command is done.
process.exit(await runAdminCommand(process.argv.slice(2), environment));
