import Bitcoin

extension FuzzTarget {
  /// Peers of a light client, honest and not: what they say, and when they come and go.
  static let lightClient = FuzzTarget(
    name: "light-client",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      var client = FuzzedClient()
      var steps = 0
      try client.drain()
      while !input.isAtEnd && steps < 500 {
        steps += 1
        client.step(&input)
        try client.drain()
      }
      try client.checkRestart()
    },
    seeds: {
      // Peer 1 comes and is honest for a while; then a second one, on the other branch.
      let sync: [UInt8] = [0, 1, 1, 1] + Array(repeating: [2, 1, 0], count: 8).joined()
      let other: [UInt8] = [0, 2, 1, 2] + Array(repeating: [2, 2, 1], count: 6).joined()
      let watch: [UInt8] = [8, 0, 1, 8, 1, 3, 10]
      let lies: [UInt8] = [4, 1, 1, 9, 5, 1, 11, 1, 0, 6, 1, 3, 0, 7, 1, 3, 0]
      return [
        sync, watch + sync, other + sync, sync + other + [12, 200, 0] + sync,
        watch + sync + lies, [0, 1, 1, 1] + lies + [3, 1],
      ]
    })
}
