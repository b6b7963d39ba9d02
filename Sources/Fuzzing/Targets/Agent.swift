extension FuzzTarget {
  /// What a hostile publisher says to an agent, and what happens meanwhile: blocks, broken
  /// connections, the job's end.
  static let agent = FuzzTarget(
    name: "agent",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let world = FuzzedAgent()
      try world.drain()
      var steps = 0
      while !input.isAtEnd && steps < 300 {
        steps += 1
        world.step(&input)
        try world.drain()
      }
      try world.finish()
    },
    seeds: {
      // Up to the contract; then the funding, the opening payment, the bundle; then the end.
      let hired: [UInt8] = [0, 0, 0, 0]
      let funded: [UInt8] = [4, 0, 5, 2, 3, 0, 2, 10, 0]
      let running: [UInt8] = [10, 0, 11, 0, 0]
      let work: [UInt8] = [11, 1, 9, 8, 100, 0, 2, 20, 0, 12, 5, 9, 1, 0, 9, 2, 0, 9, 0, 0]
      let over: [UInt8] = [11, 2, 0, 13, 9, 4, 0, 13, 14, 0, 15, 0]
      let closed: [UInt8] = [4, 2, 5, 10]
      return [
        hired, hired + funded, hired + funded + running, hired + funded + running + work,
        hired + funded + running + work + over,
        hired + funded + running + work + over + closed,
        hired + funded + running + [7, 8, 0, 255, 0, 16, 3] + work + over,
        hired + [3, 0, 4, 1, 4, 0, 5, 1, 4, 3], hired + funded + running + [6, 11, 2, 3],
        hired + funded + running + [17, 5, 19],
      ]
    })
}
