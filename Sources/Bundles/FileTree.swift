import Foundation
import Sandbox

/// The file system that results from applying layers one after another. It exists in memory only,
/// with files' contents in one spool file; names in it are never used as names on this host.
final class FileTree {
  /// A file's content: a part of the spool file, or a file of this host. Hard links share it.
  final class Content {
    enum Place {
      case spool(offset: UInt64)
      case file(path: String)
    }
    let place: Place
    let size: UInt64
    let mode: UInt32
    /// The name under which it was written to the bundle.
    var written: [UInt8]?

    init(_ place: Place, size: UInt64, mode: UInt32) {
      self.place = place
      self.size = size
      self.mode = mode
    }
  }

  final class Node {
    enum Kind {
      case folder
      case file(Content)
      case link([UInt8])
    }
    var kind: Kind
    var mode: UInt32
    /// The layer that added it.
    var layer: Int
    var children: [[UInt8]: Node] = [:]

    init(_ kind: Kind, mode: UInt32, layer: Int) {
      self.kind = kind
      self.mode = mode
      self.layer = layer
    }

    var isFolder: Bool { if case .folder = kind { return true } else { return false } }
  }

  let root = Node(.folder, mode: 0o755, layer: 0)

  // MARK: Names

  /// The parent folder of `path`, and `path`'s last component. Links on the path are resolved
  /// inside the tree; `..` at the root stays there. Missing folders are created if `makes` is set.
  /// Nil if the path leads through a file, or through a loop of links.
  func parent(_ path: [UInt8], layer: Int, makes: Bool) -> (Node, [UInt8])? {
    let parts = path.split(separator: 0x2f).map { Array($0) }
    guard let last = parts.last, parts.count <= ImageLimits.depth else { return nil }
    var hops = 0
    guard
      let way = walk([], Array(parts.dropLast())[...], layer: layer, makes: makes, &hops)
    else { return nil }
    return (node(way), last)
  }

  /// Resolves `parts` from the folder at `start`; returns the folder's path from the root.
  private func walk(
    _ start: [[UInt8]], _ parts: ArraySlice<[UInt8]>, layer: Int, makes: Bool, _ hops: inout Int
  ) -> [[UInt8]]? {
    var way = start
    for part in parts {
      if part.elementsEqual([0x2e]) { continue }
      if part.elementsEqual([0x2e, 0x2e]) {
        _ = way.popLast()
        continue
      }
      let folder = node(way)
      guard let next = folder.children[part] else {
        if !makes || way.count >= ImageLimits.depth { return nil }
        folder.children[part] = Node(.folder, mode: 0o755, layer: layer)
        way.append(part)
        continue
      }
      switch next.kind {
      case .folder: way.append(part)
      case .file: return nil
      case .link(let target):
        hops += 1
        if hops > ImageLimits.hops { return nil }
        let words = target.split(separator: 0x2f).map { Array($0) }
        guard
          let there = walk(
            target.first == 0x2f ? [] : way, words[...], layer: layer, makes: makes, &hops)
        else { return nil }
        way = there
      }
    }
    return way
  }

  private func node(_ way: [[UInt8]]) -> Node {
    var node = root
    // Each component was resolved above.
    for part in way { node = node.children[part] ?? node }
    return node
  }

  // MARK: Operations of a layer

  func putFolder(_ path: [UInt8], mode: UInt32, layer: Int) -> Bool {
    guard let (folder, name) = parent(path, layer: layer, makes: true) else { return false }
    if let present = folder.children[name], present.isFolder {
      present.mode = mode
      present.layer = layer
      return true
    }
    folder.children[name] = Node(.folder, mode: mode, layer: layer)
    return true
  }

  func put(_ path: [UInt8], _ kind: Node.Kind, mode: UInt32, layer: Int) -> Bool {
    guard let (folder, name) = parent(path, layer: layer, makes: true) else { return false }
    folder.children[name] = Node(kind, mode: mode, layer: layer)
    return true
  }

  /// Adds a hard link to the file at `target`.
  func putHardlink(_ path: [UInt8], to target: [UInt8], layer: Int) -> Bool {
    guard let (from, old) = parent(target, layer: layer, makes: false),
      let present = from.children[old], !present.isFolder,
      let (folder, name) = parent(path, layer: layer, makes: true)
    else { return false }
    folder.children[name] = Node(present.kind, mode: present.mode, layer: layer)
    return true
  }

  /// Removes what layers below `layer` put at `path`; entries of `layer` itself stay.
  func whiteOut(_ path: [UInt8], layer: Int) {
    guard let (folder, name) = parent(path, layer: layer, makes: false),
      let present = folder.children[name]
    else { return }
    if !keeps(present, layer: layer) { folder.children[name] = nil }
  }

  /// Removes what lower layers put into the folder at `path`.
  func makeOpaque(_ path: [UInt8], layer: Int) {
    var folder = root
    if !path.isEmpty {
      guard let (above, name) = parent(path, layer: layer, makes: false),
        let present = above.children[name], present.isFolder
      else { return }
      folder = present
    }
    prune(folder, layer: layer)
  }

  private func prune(_ folder: Node, layer: Int) {
    for (name, child) in folder.children where !keeps(child, layer: layer) {
      folder.children[name] = nil
    }
  }

  /// Removes entries of lower layers; returns whether anything is left.
  private func keeps(_ node: Node, layer: Int) -> Bool {
    if !node.isFolder { return node.layer == layer }
    prune(node, layer: layer)
    return node.layer == layer || !node.children.isEmpty
  }
}
