extension FuzzTarget {
  /// What hostile machines say to a publisher's run, and what happens meanwhile: blocks, broken
  /// connections, exec sessions.
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
      // A call, hello, a bid, the choice, the contract; the funding, seen and mined.
      let leased: [UInt8] = [2, 0, 0, 0, 13, 255, 0, 13, 255, 0, 0, 13, 200, 0]
      let funded: [UInt8] = [11, 0, 13, 255, 0, 0, 0, 5, 1, 0, 0, 0]
      let working: [UInt8] = [8, 4, 0, 1, 9, 0, 0, 4, 5, 0, 100, 0, 50, 0, 1, 0, 13, 10, 0, 0, 0]
      let over: [UInt8] = [6, 0, 0, 0xb8, 0x0b, 0, 9, 0, 0, 10, 0, 7, 0, 0, 0, 0]
      let ended: [UInt8] = [17, 0, 0, 10, 0, 0, 7, 1, 0, 0, 0, 19, 0, 0, 11, 2, 13, 0, 1]
      let second: [UInt8] = [15, 1, 2, 0, 0]
      let all = leased + funded + working
      return [
        leased, leased + funded, all, all + over, all + over + ended, second + leased + funded,
        all + [17, 0, 0, 0, 2, 0, 0x61, 0x62, 0, 17, 1, 1, 1, 0, 7],
        all + [14, 2, 16, 1, 0, 18, 0, 0, 0] + over,
        all + [20, 1, 13, 0, 8, 20, 0, 22, 1, 9, 9, 0],
        leased + [3, 3, 7, 0] + funded + [12, 11, 1, 23, 1, 0], all + [21, 0, 0, 2, 13, 100, 0],
        all + [17, 0, 1, 8, 0, 13, 9, 0, 17, 0, 0, 11, 3, 0, 0],
      ]
    })
}
