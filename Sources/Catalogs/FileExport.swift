// Files that COPY ... TO 'path' writes: what is said of them, and the seam to whoever writes them.
public import Columns
public import Diagnostics

/// What COPY TO a file says.
public struct ExportRequest: Sendable {
    public enum Format: String, Sendable, Hashable { case text, csv, parquet, json }
    /// A file, or the folder of files in folders by key.
    public var path: String
    public var format: Format
    public var fields: [Field]
    /// Columns, by index, whose values name folders.
    public var keys: [Int] = []
    /// CSV and text.
    public var delimiter: UInt8 = 44
    public var quote: UInt8 = 34
    public var escape: UInt8 = 34
    public var null = ""
    public var hasHeader = false
    public var forceQuote: [Bool] = []
    /// Other options by lower-case name: compression, row_group_size, overwrite, array, ...
    public var options: [String: String] = [:]
    public init(path: String, format: Format, fields: [Field]) {
        self.path = path
        self.format = format
        self.fields = fields
    }
}

/// Files on their way. One caller at a time.
public protocol FileExport: AnyObject, Sendable {
    /// Adds rows, in their order.
    func append(_ batch: Batch) async throws(SQLError)
    /// Makes all files appear.
    func finish() async throws(SQLError)
    /// Gives all files up; nothing is left of them.
    func abandon() async
}
