// What a declaratively partitioned table (PARTITION BY) and its partitions keep in their properties. The rows are in the
// partitions, which are tables of their own; the parent has none.

extension TableProperty {
    /// How the parent spreads its rows: `RANGE (a, lower(b))`.
    public static let partitionBy = "apus.partition.by"
    /// The parent of a partition, by its full name.
    public static let partitionOf = "apus.partition.of"
    /// A partition that the parent has: its bound, by the partition's name. A key of its own for each, so that partitions
    /// that two transactions or two branches add do not touch the same property.
    public static func partition(_ name: TableName) -> String { partitionPrefix + quoted(name) }
    public static let partitionPrefix = "apus.partition.child."

    /// A name as the properties keep it, and as SQL reads it.
    public static func quoted(_ name: TableName) -> String { "\(quoted(name.schema)).\(quoted(name.name))" }

    private static func quoted(_ part: String) -> String {
        "\"" + part.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// What rows of a partition must satisfy, as SQL text: not kept, but made when a partition is opened to be written.
    public static let partitionConstraint = "apus.partition.constraint"
}
