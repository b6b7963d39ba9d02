extension FuzzTarget {
  /// What a hostile publisher says to an agent, and what happens meanwhile: blocks, broken
  /// connections, tasks that end, restarts of the agent.
  static let agent = FuzzTarget(
    name: "agent",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let world = FuzzedAgent()
      try world.drain()
      var steps = 0
      while !input.isAtEnd && steps < 300 {
        steps += 1
        try world.step(&input)
        try world.drain()
      }
      try world.finish()
    },
    seeds: {
      // Hello, bid, contract, accept; the funding is relayed and mined; a task and its bundle.
      let leased: [UInt8] = [0, 0, 0, 0, 0]
      let funded: [UInt8] = [26, 4, 0, 0, 0]
      let tasked: [UInt8] = [15, 0, 2, 0, 10, 0, 0, 11, 0, 0]
      let work: [UInt8] = [11, 1, 0, 100, 25, 12, 0, 5, 0, 0, 25, 11, 1, 0, 200, 25, 0, 13]
      let over: [UInt8] = [11, 2, 0, 0, 25, 0, 0, 9, 3, 0, 0, 13, 14, 0, 0]
      let ended: [UInt8] = [6, 25, 0, 0, 0, 0]
      let all = leased + funded + tasked
      return [
        leased, leased + funded, all, all + work, all + work + over, all + work + over + ended,
        all + work + over + ended + [4, 2, 5, 10], all + work + [24, 0, 0, 16, 25, 0],
        all + [7, 8, 0, 255, 0, 0, 16] + work + over, all + [21, 16, 0, 0, 4, 0] + work + over,
        leased + [3, 3, 4, 1, 4, 0, 5, 1, 4, 3], all + [19, 0, 11, 2, 3, 25, 0],
        all + [20, 2, 0, 1, 0, 9, 1, 3, 20, 0, 1] + work, all + [17, 5, 27, 3, 25, 25],
        leased + [15, 0, 0, 0, 15, 0, 7, 0, 10, 0, 0] + funded + [5, 200, 25],
      ]
    })
}
