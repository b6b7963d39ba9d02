import Agent
import Bitcoin
import Bytes
import ChainFollower
import Crypto
import Host
import Ini
import Market
import Sandbox
import Storage

/// Prepares what a command needs. On failure, each function ends the program with a one-line
/// message.
enum Setup {
  static func configuration(_ arguments: inout Arguments) -> Configuration {
    let path = arguments.option("--config") ?? "/etc/zennet.conf"
    arguments.finish()
    let text: [UInt8]
    do throws(HostError) { text = try Files.read(path, limit: 1 << 20) } catch {
      Output.fail(.configuration, error.message)
    }
    do throws(ConfigurationError) { return try Configuration.parse(text, file: path) } catch {
      Output.fail(.configuration, error.message)
    }
  }

  /// The network and its peers: the configuration's, then the network file's.
  static func network(
    _ configuration: Configuration
  ) -> (Network, peers: [(host: String, port: UInt16)]) {
    var peers: [(host: String, port: UInt16)] = []
    for peer in configuration.peers {
      peers.append((ConfigurationValue.text(peer.host), peer.port))
    }
    if configuration.networkFile.isEmpty { return (named(configuration), peers) }
    let path = ConfigurationValue.text(configuration.networkFile)
    let text: [UInt8]
    do throws(HostError) { text = try Files.read(path, limit: 1 << 20) } catch {
      Output.fail(.configuration, "network.file: " + error.message)
    }
    do throws(ConfigurationError) {
      let file = try NetworkFile.parse(text, file: path)
      for peer in file.peers { peers.append((ConfigurationValue.text(peer.host), peer.port)) }
      return (file.network, peers)
    } catch { Output.fail(.configuration, error.message) }
  }

  private static func named(_ configuration: Configuration) -> Network {
    let name = configuration.networkName
    if let network = Network.known(name: name) { return network }
    do throws(BitcoinError) {
      return try Network.customSignet(name: name, challenge: configuration.signetChallenge)
    } catch { Output.fail(.configuration, "network.challenge: " + error.message) }
  }

  static func payoutScript(_ configuration: Configuration, _ network: Network) -> [UInt8] {
    do throws(BitcoinError) {
      return try Address.scriptPubKey(ascii: configuration.payoutAddress, network: network)
    } catch {
      Output.fail(
        .configuration, "payout.address: " + error.message + " (network " + network.nameText + ")")
    }
  }

  /// The host's facts, within the limits for leases.
  static func machine(_ configuration: Configuration, _ features: KernelFeatures) -> MachineFacts {
    MachineFacts(
      processors: ProcessorSet(architecture: Machine.architecture),
      isolation: isolation(features.level),
      memoryMiB: UInt32(min(Machine.memoryMiB, UInt64(configuration.memoryMiB))),
      milliCpus: min(Machine.processors * 1000, configuration.milliCpus))
  }

  static func isolation(_ level: IsolationLevel) -> IsolationWanted {
    switch level {
    case .full: return .full
    case .reduced: return .reduced
    case .refused: return .any
    }
  }
}
