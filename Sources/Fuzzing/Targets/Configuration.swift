import Agent
import ChainFollower
import Ini

extension FuzzTarget {
  /// `zennet.conf` and the files that tell of networks, through inih.
  static let configuration = FuzzTarget(
    name: "configuration",
    run: { (bytes) throws(FuzzFinding) in
      let lines = bytes.count { $0 == 0x0a } + 1
      do throws(ConfigurationError) {
        _ = try? NetworkFile.parse(bytes, file: "network.conf")
        let read = try Configuration.parse(bytes, file: "zennet.conf")
        try checkConfiguration(read)
      } catch {
        if error.key == "fuzz" { throw FuzzFinding(broken: error.reason) }
        try require(error.line >= 0 && error.line <= lines, "an error names a line of the file")
        try require(!error.reason.isEmpty && !error.message.isEmpty, "an error says what is wrong")
      }
    },
    seeds: {
      [
        """
        # One file for a whole fleet.
        [agent]
        data = /tmp/zennet
        log = debug
        [network]
        name = custom
        challenge = 51
        peer = 127.0.0.1:18444
        peer = [::1]:18445
        lan = yes
        peer = node.example   ; the network's own port
        [payout]
        address = bcrt1qexample
        [price]
        hour_sat = 3600
        watts = 12.5
        idle_watts = 4
        occupancy = 0.25
        sat_per_kwh = 200
        [limits]
        memory_mib = 64
        cpus = 0.5
        disk_mib = 10
        pids = 10
        leases = 2
        [risk]
        max_loss_sat = 5000
        stranger_sat = 50
        unconfirmed_sat = 20
        close_margin = 24
        min_channel = 12
        funding_depth = 2
        """,
        "[network]\nname = zen\nchallenge = 51\npeer = node.example\n[checkpoint]\nheight = 2016\n",
        "[network]\nname=regtest\n[payout]\naddress=a\n[price]\nhour_sat=1\n", "[a\n", "=",
        "a:b\n c",
        "\u{feff}[agent]\ndata = x ; y\n",
      ].map { Array($0.utf8) }
    })

  private static func checkConfiguration(_ read: Configuration) throws(ConfigurationError) {
    let isSound =
      read.logLevel <= 3 && !read.networkName.isEmpty && !read.payoutAddress.isEmpty
      && (4...4_194_304).contains(read.memoryMiB) && (10...1_024_000).contains(read.milliCpus)
      && (4...65_536).contains(read.pids) && (1...100).contains(read.fundingDepth)
    if !isSound {
      throw ConfigurationError(
        file: "", line: 0, key: "fuzz", reason: "what is accepted is within its limits")
    }
  }
}
