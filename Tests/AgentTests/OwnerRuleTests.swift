import Ini
import Testing

@testable import Agent

private func wishes(_ change: (inout OwnerWishes) -> Void = { _ in }) -> OwnerWishes {
  var wishes = OwnerWishes()
  change(&wishes)
  return wishes
}

private func readings(_ change: (inout OwnerReadings) -> Void = { _ in }) -> OwnerReadings {
  var readings = OwnerReadings()
  change(&readings)
  return readings
}

struct OwnerRuleTests {
  @Test func aMachineWithoutSensorsWorks() {
    var rule = OwnerRule(
      wishes {
        $0.loadMilli = 100
        $0.quietSeconds = 60
      })
    rule.read(readings(), nowMs: 1000)
    #expect(!rule.isPaused)
    #expect(rule.text == "")
  }

  @Test func onBatteryOnlyIfAskedFor() {
    var rule = OwnerRule(wishes())
    rule.read(readings { $0.isOnBattery = true }, nowMs: 0)
    #expect(rule.reasons == [.battery])
    #expect(rule.text == "on battery")
    rule.read(readings { $0.isOnBattery = false }, nowMs: 1)
    #expect(!rule.isPaused)
    var tireless = OwnerRule(wishes { $0.worksOnBattery = true })
    tireless.read(readings { $0.isOnBattery = true }, nowMs: 0)
    #expect(!tireless.isPaused)
  }

  @Test func aHotMachineHasToCoolDown() {
    var rule = OwnerRule(wishes { $0.maxCelsius = 70 })
    for (celsius, paused) in [
      (70, false), (71, true), (69, true), (66, true), (65, false), (69, false), (90, true),
    ] {
      rule.read(readings { $0.milliCelsius = Int64(celsius) * 1000 }, nowMs: 0)
      #expect(rule.isPaused == paused, "\(celsius)")
    }
    #expect(rule.text == "too hot (90 C, the limit is 70 C)")
  }

  /// A chip that sleeps, a battery that is pulled: what cannot be told is no reason, and it comes back.
  @Test func aSensorThatFailsIsNoReason() {
    var rule = OwnerRule(wishes { $0.maxCelsius = 70 })
    for (celsius, battery, reasons) in [
      (80, true, [.temperature, .battery]), (nil, nil, []), (68, false, [.temperature]),
      (nil, true, [.battery]), (64, nil, []), (69, false, []),
    ] as [(Int64?, Bool?, Set<OwnerRule.Reason>)] {
      rule.read(
        readings {
          $0.milliCelsius = celsius.map { $0 * 1000 }
          $0.isOnBattery = battery
        }, nowMs: 0)
      #expect(Set(rule.reasons) == reasons)
    }
  }

  @Test func othersLoadPausesUntilItWasCalmForAWhile() {
    var rule = OwnerRule(wishes { $0.loadMilli = 300 })
    func look(_ load: UInt32, _ seconds: UInt64) -> Bool {
      rule.read(readings { $0.othersLoadMilli = load }, nowMs: seconds * 1000)
      return rule.isPaused
    }
    #expect(!look(300, 0))
    #expect(look(301, 5))
    #expect(look(10, 10))
    #expect(look(10, 34))
    #expect(!look(10, 35))
    #expect(look(900, 40))
    // Again and again: the calm begins with the last of them.
    #expect(look(900, 60))
    #expect(look(0, 89))
    #expect(!look(0, 90))
  }

  @Test func inputPausesForTheQuietThatIsWanted() {
    var rule = OwnerRule(wishes { $0.quietSeconds = 120 })
    for (idle, paused) in [(0, true), (119, true), (120, false), (5000, false)] as [(UInt64, Bool)]
    {
      rule.read(readings { $0.idleSeconds = idle }, nowMs: 0)
      #expect(rule.isPaused == paused, "\(idle)")
    }
    var careless = OwnerRule(wishes())
    careless.read(readings { $0.idleSeconds = 0 }, nowMs: 0)
    #expect(!careless.isPaused)
  }

  @Test func hoursMayGoOverMidnight() {
    var rule = OwnerRule(
      wishes {
        $0.hours = [
          DayPart(fromMinute: 22 * 60, toMinute: 7 * 60),
          DayPart(fromMinute: 12 * 60, toMinute: 13 * 60),
        ]
      })
    for (hour, minute, paused) in [
      (21, 59, true), (22, 0, false), (23, 59, false), (0, 0, false), (6, 59, false), (7, 0, true),
      (12, 30, false), (13, 0, true),
    ] as [(UInt32, UInt32, Bool)] {
      rule.read(readings { $0.minuteOfDay = hour * 60 + minute }, nowMs: 0)
      #expect(rule.isPaused == paused, "\(hour):\(minute)")
    }
  }

  @Test func aDaysWritingIsBounded() {
    var rule = OwnerRule(wishes { $0.flashMiBPerDay = 10 })
    func look(_ mebibytes: UInt64, _ hours: UInt64) -> Bool {
      rule.read(readings { $0.writtenBytes = mebibytes << 20 }, nowMs: hours * 3_600_000)
      return rule.isPaused
    }
    #expect(!look(5, 1))
    #expect(!look(14, 2))
    #expect(look(15, 3))
    #expect(look(15, 24))
    // The next day begins where the first one ended.
    #expect(!look(15, 25))
    #expect(!look(24, 26))
    #expect(look(25, 27))
  }

  @Test func allReasonsAreTold() {
    var rule = OwnerRule(
      wishes {
        $0.loadMilli = 500
        $0.quietSeconds = 60
        $0.hours = [DayPart(fromMinute: 1, toMinute: 2)]
      })
    rule.read(
      readings {
        $0.othersLoadMilli = 650
        $0.idleSeconds = 3
        $0.isOnBattery = true
        $0.milliCelsius = 99_500
      }, nowMs: 7)
    #expect(rule.reasons == [.load, .input, .battery, .temperature, .hours])
    #expect(
      rule.text
        == "other programs use the machine (65 %, more than 50 % in the last 30 s), last input "
        + "3 s ago; needs 60 s idle, on battery, too hot (99 C, the limit is 85 C), outside the "
        + "configured hours")
  }

  @Test func theSectionOfTheFile() throws {
    let base = """
      [network]
      name = regtest
      [payout]
      address = bcrt1qexample
      [price]
      hour_sat = 1
      [owner]

      """
    let text =
      base
        + """
        pause_on_load = 25
        pause_on_input = 300
        on_battery = run
        max_celsius = 70
        hours = 22:00-07:30
        hours = 12:15-24:00
        flash_mib_day = 512
        """
    let owner = try Configuration.parse(Array(text.utf8), file: "z").owner
    #expect(owner.loadMilli == 250)
    #expect(owner.quietSeconds == 300)
    #expect(owner.worksOnBattery)
    #expect(owner.maxCelsius == 70)
    #expect(
      owner.hours == [
        DayPart(fromMinute: 1320, toMinute: 450), DayPart(fromMinute: 735, toMinute: 1440),
      ])
    #expect(owner.flashMiBPerDay == 512)
    for line in [
      "pause_on_load = 0", "pause_on_load = 101", "on_battery = maybe", "max_celsius = 19",
      "hours = 22-7", "hours = 25:00-07:00", "hours = 10:60-11:00", "hours = 10:00-10:00",
      "hours = 24:01-07:00", "hours = 18446744073709551615:00-07:00", "hours = 1:0-2:00",
      "flash_mib_day = 0",
    ] {
      #expect(throws: ConfigurationError.self, "\(line)") {
        try Configuration.parse(Array((base + line).utf8), file: "z")
      }
    }
  }
}
