import Bitcoin
import Ini

/// The section `[owner]`: when tasks pause.
extension ConfigurationSetting {
  static var owner: [ConfigurationSetting] {
    [
      number("owner.pause_on_load", expects: "1 to 100 percent of the processors", 1...100) {
        $0.owner.loadMilli = UInt32($1) * 10
      },
      number("owner.pause_on_input", expects: "1 to 86400 seconds without input", 1...86_400) {
        $0.owner.quietSeconds = $1
      },
      ConfigurationSetting("owner.on_battery", expects: "pause or run") { value, configuration in
        if !value.isAscii("pause") && !value.isAscii("run") { return false }
        configuration.owner.worksOnBattery = value.isAscii("run")
        return true
      },
      number("owner.max_celsius", expects: "20 to 150 degrees Celsius", 20...150) {
        $0.owner.maxCelsius = UInt32($1)
      },
      ConfigurationSetting("owner.hours", isList: true, expects: "HH:MM-HH:MM, at most 16 times") {
        value, configuration in
        guard let part = hours(value), configuration.owner.hours.count < 16 else { return false }
        configuration.owner.hours.append(part)
        return true
      },
      number("owner.flash_mib_day", expects: "1 to 4194304 MiB a day", 1...4_194_304) {
        $0.owner.flashMiBPerDay = UInt32($1)
      },
    ]
  }

  /// `22:00-07:30`, in the host's local time.
  private static func hours(_ value: [UInt8]) -> DayPart? {
    guard let dash = value.firstIndex(of: 0x2d), let from = minute(Array(value[..<dash])),
      let to = minute(Array(value[(dash + 1)...])), from != to
    else { return nil }
    return DayPart(fromMinute: from, toMinute: to)
  }

  private static func minute(_ value: [UInt8]) -> UInt32? {
    guard let colon = value.firstIndex(of: 0x3a), value.count - colon == 3,
      let hour = ConfigurationValue.number(Array(value[..<colon])),
      let minute = ConfigurationValue.number(Array(value[(colon + 1)...])),
      minute < 60, hour <= 24, hour * 60 + minute <= 24 * 60
    else { return nil }
    return UInt32(hour * 60 + minute)
  }
}
