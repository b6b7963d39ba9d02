import Agent
import Bytes
import Capability
import Crypto
import Host
import Market
import Sandbox
import Storage

/// What the kernel has to wall jobs off with, and what to change where something is missing.
enum CheckCommand {
  static func main(_ arguments: inout Arguments) {
    let isJson = arguments.flag("--json")
    _ = arguments.option("--config")
    arguments.finish()
    let features = KernelFeatures.detect()
    if isJson {
      Output.line(json(features))
    } else {
      for line in features.lines { Output.line(line.text) }
      Output.line("isolation: " + features.level.name)
      for level in [IsolationLevel.reduced, .full] where level > features.level {
        Output.line("for " + level.name + " it lacks: " + joined(features.missing(for: level)))
      }
      for line in sensors() { Output.line(line) }
    }
    if features.level == .refused { Output.exit(.failure) }
  }

  private static func joined(_ names: [String]) -> String {
    var text = ""
    for name in names { text += (text.utf8.isEmpty ? "" : ", ") + name }
    return text
  }

  /// What the owner's peace can go by on this machine.
  private static func sensors() -> [String] {
    let sensors = OwnerSensors(root: Machine.environment("ZENNET_SENSORS") ?? "")
    let battery = sensors.isOnBattery()
    let idle = sensors.idleSeconds(nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
    let heat = sensors.hottestMilliCelsius()
    return [
      "sensor battery: "
        + (battery == nil ? "none" : battery == true ? "feeds this machine" : "not in use"),
      "sensor heat: " + (heat.map { "\($0 / 1000) C" } ?? "none"),
      "sensor input: " + (idle.map { "last used \($0) s ago" } ?? "none"),
    ]
  }

  private static func json(_ features: KernelFeatures) -> String {
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
    return text + "]}"
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
