enum Help {
  static let text = """
    zennet-agent: earns with this machine's idle time

    usage: zennet-agent COMMAND [--config FILE]

      run        follow the chain, take leases, be paid; ends on SIGTERM     [--once]
      bench      measure this machine                     [--seconds N] [--json]
      report     show the signed capability report        [--json]
      status     ask the running agent how it is          [--json | --metrics]
      check      what this machine's kernel can wall off  [--json]
      self-test  run the built-in vectors
      version

      --config FILE  the configuration (default /etc/zennet.conf)

      --once         end after a fault of the program instead of starting again

    exit status: 0 well, 1 the answer is no, 64 usage, 69 nobody there, 70 a fault in the
    program, 71 the kernel refused, 73 disk or output full or read-only, 74 damaged,
    75 out of memory, 78 configuration, 141 nobody reads the output

    """
}
