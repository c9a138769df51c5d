"""How a build moves: lifecycle, runner, scheduler, commands, bus. Knows steps by protocol only."""
