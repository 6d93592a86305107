// The name of an object or folder: where it lives and its key there.
// Folders are paths without a trailing slash; only listings know whether a path is one.

public import Diagnostics
import Foundation

/// The name of an object or of a folder of objects.
public struct ObjectPath: Hashable, Sendable, CustomStringConvertible {
    /// The kinds of places objects live in.
    public enum Scheme: String, Sendable, Hashable {
        case file
        case s3
    }

    public let scheme: Scheme
    /// The bucket; empty for files.
    public let bucket: String
    /// The key in the bucket, or the path of the file as the user wrote it (absolute or relative).
    public let key: String

    public init(scheme: Scheme, bucket: String, key: String) {
        self.scheme = scheme
        self.bucket = bucket
        self.key = key
    }

    /// A file of this machine.
    public init(file path: String) { self.init(scheme: .file, bucket: "", key: ObjectPath.tidy(path)) }

    /// Parses `s3://bucket/key`, `s3a://`, `s3n://`, `file:///path`, `/path` or `relative/path`.
    public init(_ text: String) throws(SQLError) {
        guard !text.utf8.contains(0) else {
            throw SQLError(.invalidParameterValue, "a path cannot contain a zero byte")
        }
        guard let separator = ObjectPath.schemeEnd(text) else {
            guard !text.isEmpty else { throw SQLError(.invalidParameterValue, "a path cannot be empty") }
            self.init(file: text)
            return
        }
        let scheme = text[..<separator].lowercased()
        let rest = text[text.index(separator, offsetBy: 3)...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let host = String(rest[..<slash])
        switch scheme {
        case "s3", "s3a", "s3n":
            guard ObjectPath.isBucketName(host) else {
                throw SQLError(.invalidParameterValue, "invalid bucket name in path \"\(text)\"")
            }
            self.init(scheme: .s3, bucket: host, key: String(rest[slash...].dropFirst()))
        case "file":
            guard host.isEmpty || host == "localhost", slash < rest.endIndex else {
                throw SQLError(.invalidParameterValue, "invalid file path \"\(text)\"")
            }
            self.init(file: String(rest[slash...]))
        default:
            throw SQLError(
                .featureNotSupported, "paths with scheme \"\(scheme)\" are not supported",
                hint: "Use s3://bucket/key, file:///path or a plain path.")
        }
    }

    /// The path as text that `init(_:)` reads back.
    public var text: String {
        switch scheme {
        case .file: key
        case .s3: "s3://\(bucket)/\(key)"
        }
    }

    public var description: String { text }

    /// The last component, without a trailing slash: `c` of `a/b/c`; empty at the top.
    public var name: String {
        let key = keyWithoutSlash
        guard let slash = key.utf8.lastIndex(of: UInt8(ascii: "/")) else { return String(key) }
        return String(key[key.utf8.index(after: slash)...])
    }

    /// The folder that holds this path; the top is its own parent.
    public var parent: ObjectPath {
        let key = keyWithoutSlash
        guard let slash = key.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return replacing(key: scheme == .file ? "." : "")
        }
        if slash == key.startIndex { return replacing(key: scheme == .file ? "/" : "") }
        return replacing(key: String(key[..<slash]))
    }

    /// The path of something below this folder: `a` appending `b/c` is `a/b/c`.
    public func appending(_ suffix: String) -> ObjectPath {
        if key.isEmpty { return replacing(key: suffix) }
        return replacing(key: key.hasSuffix("/") ? key + suffix : key + "/" + suffix)
    }

    /// The key as the start of everything below this folder: with a slash, or empty for a whole bucket.
    public var folderKey: String { key.isEmpty || key.hasSuffix("/") ? key : key + "/" }

    /// What follows `folder` in this path's key, or nil if this path is not below it.
    public func relative(to folder: ObjectPath) -> Substring? {
        guard scheme == folder.scheme, bucket == folder.bucket else { return nil }
        let prefix = scheme == .file && folder.key == "." ? "" : folder.folderKey
        guard key.utf8.starts(with: prefix.utf8) else { return nil }
        return key[key.utf8.index(key.startIndex, offsetBy: prefix.utf8.count)...]
    }

    /// Whether the key comes before another's, byte by byte: the order of listings.
    public func precedes(_ other: ObjectPath) -> Bool { ObjectPath.precedes(key, other.key) }

    /// By whole blocks: sorting a long listing asks it millions of times.
    static func precedes(_ a: String, _ b: String) -> Bool {
        let known = a.utf8.withContiguousStorageIfAvailable { left in
            b.utf8.withContiguousStorageIfAvailable { right -> Bool in
                guard let first = left.baseAddress, let second = right.baseAddress else {
                    return left.count < right.count
                }
                let order = memcmp(first, second, min(left.count, right.count))
                return order == 0 ? left.count < right.count : order < 0
            }
        }
        return (known ?? nil) ?? a.utf8.lexicographicallyPrecedes(b.utf8)
    }

    func replacing(key: String) -> ObjectPath { ObjectPath(scheme: scheme, bucket: bucket, key: key) }

    private var keyWithoutSlash: Substring {
        var rest = key[...]
        // By bytes: listings ask this for every file.
        while rest.utf8.count > 1, rest.utf8.last == UInt8(ascii: "/") { rest = Substring(rest.utf8.dropLast()) }
        return rest
    }

    /// The index of `://` if the text starts with a scheme.
    private static func schemeEnd(_ text: String) -> String.Index? {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else { return nil }
        let isScheme = text[..<colon].allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+") }
        return isScheme && text[colon...].hasPrefix("://") ? colon : nil
    }

    /// Letters, digits, dots, hyphens, underscores: whatever else could change the meaning of a URL.
    static func isBucketName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Removes doubled slashes and `.` components, so that a file has one name.
    private static func tidy(_ path: String) -> String {
        guard path.contains("//") || path.hasPrefix("./") || path.contains("/./") else { return path }
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
        let joined = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        if joined.isEmpty { return "." }
        return path.hasSuffix("/") && joined != "/" ? joined + "/" : joined
    }
}

/// Tells the files of one folder from others by bytes: long listings come folder by folder.
public struct FolderTest: Sendable {
    private let folder: ObjectPath
    private let prefix: String

    public init(_ folder: ObjectPath) {
        self.folder = folder
        prefix = folder.folderKey
    }

    /// Whether the folder holds this path itself, not below another folder.
    public func holds(_ path: ObjectPath) -> Bool {
        guard path.scheme == folder.scheme, path.bucket == folder.bucket else { return false }
        let known = path.key.utf8.withContiguousStorageIfAvailable { key in
            prefix.utf8.withContiguousStorageIfAvailable { prefix -> Bool in
                guard key.count > prefix.count, let base = key.baseAddress, let start = prefix.baseAddress else {
                    return false
                }
                return memcmp(base, start, prefix.count) == 0
                    && memchr(base + prefix.count, Int32(UInt8(ascii: "/")), key.count - prefix.count) == nil
            }
        }
        return (known ?? nil) ?? (path.parent == folder)
    }
}
