enum Help {
  static let text = """
    zennet-agent: rents out this machine's idle time

    usage: zennet-agent COMMAND [--config FILE]

      run        follow the chain, take leases, be paid; ends on SIGTERM     [--once]
      bench      measure this machine                     [--seconds N] [--json]
      report     show the signed capability report        [--json]
      status     show the state of the running agent      [--json | --metrics]
      check      list the kernel's isolation features     [--json]
      self-test  run the built-in vectors
      version

      --config FILE  the configuration (default /etc/zennet.conf)

      --once         end after a fault of the program instead of restarting

    exit status: 0 success, 1 a test or check failed, 64 usage, 69 no agent answers or the
    folder is in use, 70 a fault in the program, 71 the kernel refused a call, 73 disk or
    output full or read-only, 74 damaged data, 75 out of memory, 78 configuration,
    141 the output was closed

    """
}
