extension FuzzTarget {
  /// What hostile machines say to a publisher's run, and what happens meanwhile: blocks, broken
  /// connections, programs beside the jobs.
  static let run = FuzzTarget(
    name: "run",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let world = FuzzedRun()
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
      // A call, a greeting, a bid, the choice, the contract; the funding in a block.
      let hired: [UInt8] = [2, 0, 0, 13, 255, 0, 0, 13, 200, 0, 13, 200, 0]
      let funded: [UInt8] = [11, 0, 0, 0, 0, 8, 4, 0, 0, 9, 255, 2]
      let running: [UInt8] = [5, 0, 4, 5, 0, 100, 0, 50, 0, 1, 0, 0, 0, 0]
      let over: [UInt8] = [6, 0, 0xb8, 0x0b, 0, 0, 8, 5, 0, 0, 9, 0, 0, 10, 0, 7, 0, 0]
      let second: [UInt8] = [15, 1, 2, 0, 0]
      return [
        hired, hired + funded, hired + funded + running,
        hired + funded + running + over + [11, 2, 13, 0, 1], second + hired + funded,
        hired + funded + running + [17, 0, 0, 2, 0, 0x61, 0x62, 0, 17, 1, 1, 1, 0, 7],
        hired + funded + running + [14, 2, 18, 3, 0, 0, 0, 0] + over,
        hired + [3, 3, 7, 0] + funded + [12, 11, 1, 19, 1, 0],
      ]
    })
}
