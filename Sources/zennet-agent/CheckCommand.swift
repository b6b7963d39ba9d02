import Agent
import Bytes
import Capability
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Lists the kernel's isolation features, and how to enable missing ones.
enum CheckCommand {
  static func main(_ arguments: inout Arguments) {
    let isJson = arguments.flag("--json")
    _ = arguments.option("--config")
    arguments.finish()
    let features = KernelFeatures.detect()
    let sensors = Sensors()
    if isJson {
      Output.line(json(features, sensors))
    } else {
      for line in features.lines { Output.line(line.text) }
      Output.line("isolation: " + features.level.name)
      for level in [IsolationLevel.reduced, .full] where level > features.level {
        Output.line("for " + level.name + " it lacks: " + joined(features.missing(for: level)))
      }
      for line in sensors.lines { Output.line(line) }
    }
    if features.level == .refused { Output.exit(.failure) }
  }

  private static func joined(_ names: [String]) -> String {
    var text = ""
    for name in names { text += (text.utf8.isEmpty ? "" : ", ") + name }
    return text
  }

  /// The idle policy's sensors on this host; nil: no such sensor.
  private struct Sensors {
    let isOnBattery: Bool?
    let milliCelsius: Int64?
    let idleSeconds: Int64?

    init() {
      let sensors = OwnerSensors(root: Machine.environment("ZENNET_SENSORS") ?? "")
      isOnBattery = sensors.isOnBattery()
      milliCelsius = sensors.hottestMilliCelsius()
      idleSeconds = sensors.idleSeconds(
        nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds()
      ).map { Int64(clamping: $0) }
    }

    var lines: [String] {
      let battery =
        isOnBattery == nil ? "none" : isOnBattery == true ? "in use" : "not in use"
      return [
        "sensor battery: " + battery,
        "sensor heat: " + (milliCelsius.map { "\($0 / 1000) C" } ?? "none"),
        "sensor input: " + (idleSeconds.map { "last used \($0) s ago" } ?? "none"),
      ]
    }

    var json: String {
      var text = "{\"on_battery\":"
      text += isOnBattery == nil ? "null" : isOnBattery == true ? "true" : "false"
      text += ",\"milli_celsius\":" + Sensors.number(milliCelsius)
      return text + ",\"idle_seconds\":" + Sensors.number(idleSeconds) + "}"
    }

    private static func number(_ value: Int64?) -> String {
      if let value { return "\(value)" }
      return "null"
    }
  }

  private static func json(_ features: KernelFeatures, _ sensors: Sensors) -> String {
    var text = "{\"isolation\":\"" + features.level.name + "\",\"features\":["
    var isFirst = true
    for line in features.lines {
      text += isFirst ? "" : ","
      isFirst = false
      text += "{\"name\":\"" + line.name + "\",\"present\":" + (line.isPresent ? "true" : "false")
      text += ",\"required\":" + (line.isRequired ? "true" : "false")
      text += ",\"found\":\"" + escaped(line.found) + "\""
      text += ",\"remedy\":\"" + escaped(line.remedy) + "\"}"
    }
    return text + "],\"sensors\":" + sensors.json + "}"
  }

  private static func escaped(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      if byte == 0x22 || byte == 0x5c { bytes.append(0x5c) }
      bytes.append(byte)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
