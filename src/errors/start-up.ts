/** Why the service doesn't start. The message is all that is printed, so it says what to do. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}

export class DataFolderHeldError extends StartError {
  constructor(folder: string, holder: { pid: number; host: string; since: string }) {
    super(
      `The data folder "${folder}" is in use by process ${holder.pid} on ${holder.host}, since ${holder.since}. ` +
        `Stop that process (kill ${holder.pid}), or set ESPALIER_DATA to another folder.`,
    );
  }
}

export class AddressTakenError extends StartError {
  constructor(host: string, port: number, code: string, variable = 'ESPALIER_PORT') {
    const reason =
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is taken. Stop what listens there, or set ${variable} to another port.`
        : code === 'EACCES'
          ? `This account may not listen on port ${port}. Set ${variable} to a port from 1024 on.`
          : `The service can't listen on ${host}: ${code}. Set ESPALIER_HOST to an address of this machine.`;
    super(reason);
  }
}
