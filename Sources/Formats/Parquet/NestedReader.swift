// A nested column put together from its leaves: the levels of a leaf tell the lists and structs around it, and its
// values are spread over the slots that exist. (Dremel's record assembly, a column at a time.) Hot.

import Columns
import Diagnostics

/// What is read of a nested column: the leaves that are needed, and what becomes of them.
struct NestedPlan {
    indirect enum Part {
        /// A leaf, by its place among those read.
        case leaf(Int, type: SQLType)
        /// Fields side by side; `guide` is a leaf whose levels tell of the struct.
        case row(guide: Int, present: Int, [Part], type: SQLType)
        case list(guide: Int, present: Int, ListLevels, Part, type: SQLType)
        case constant(Scalar)
    }

    private(set) var leaves: [Leaf] = []
    /// By leaf: what its views become.
    private(set) var types: [SQLType] = []
    private(set) var root: Part

    init(_ node: FileNode, _ shape: FileShape, _ type: SQLType) throws(Damage) {
        root = .constant(.null(type))
        root = try part(node, shape, type)
    }

    private mutating func add(_ leaf: Leaf, _ type: SQLType) -> Int {
        leaves.append(leaf)
        types.append(leaf.form.isView ? type : leaf.type)
        return leaves.count - 1
    }

    private static func mismatch(_ node: FileNode, _ type: SQLType) -> Damage {
        Damage.unsupported("reading \(node.type.name) as \(type.name)")
    }

    private mutating func part(_ node: FileNode, _ shape: FileShape, _ type: SQLType) throws(Damage) -> Part {
        if case .field(let index, let inner) = shape {
            // The levels of what is inside know the struct's NULLs.
            guard case .row(let fields) = node.kind, fields.indices.contains(index) else {
                throw NestedPlan.mismatch(node, type)
            }
            return try part(fields[index], inner, type)
        }
        switch (node.kind, type) {
        case (.leaf(let leaf), _):
            guard !type.isNested, NestedValues.canRead(leaf.type, as: type, isLenient: shape == .value) else {
                throw NestedPlan.mismatch(node, type)
            }
            return .leaf(add(leaf, NestedValues.viewType(type)), type: type)
        case (.row(let fields), .row(let wanted)): return try row(node, fields, wanted, shape, type)
        case (.list(let element), .array(let wanted)):
            var inner = FileShape.named
            if case .list(let given) = shape { inner = given }
            return try list(node, type) { (plan) throws(Damage) in try plan.part(element, inner, wanted) }
        case (.map(let key, let value), .map(let wantedKey, let wantedValue)):
            var inner = (key: FileShape.named, value: FileShape.named)
            if case .map(let key, let value) = shape { inner = (key, value) }
            return try list(node, type) { (plan) throws(Damage) in
                let parts = [
                    try plan.part(key, inner.key, wantedKey), try plan.part(value, inner.value, wantedValue),
                ]
                guard let guide = NestedPlan.guide(parts[0]), let entry = type.element else {
                    throw Damage("a map without keys")
                }
                return .row(guide: guide, present: node.exists, parts, type: entry)
            }
        default: throw NestedPlan.mismatch(node, type)
        }
    }

    private mutating func list(
        _ node: FileNode, _ type: SQLType, _ inner: (inout NestedPlan) throws(Damage) -> Part
    ) throws(Damage) -> Part {
        let element = try inner(&self)
        guard let guide = NestedPlan.guide(element) else { throw Damage("a list without columns") }
        let levels = ListLevels(
            exists: UInt8(truncatingIfNeeded: node.exists), repeats: UInt8(truncatingIfNeeded: node.repeats))
        return .list(guide: guide, present: node.present, levels, element, type: type)
    }

    private mutating func row(
        _ node: FileNode, _ fields: [FileNode], _ wanted: [StructField], _ shape: FileShape, _ type: SQLType
    ) throws(Damage) -> Part {
        var parts: [Part] = []
        if case .row(let given) = shape {
            guard given.count == wanted.count else { throw NestedPlan.mismatch(node, type) }
            for (part, field) in zip(given, wanted) {
                switch part {
                case .constant(let value): parts.append(.constant(Scalar(field.type, value.value)))
                case .field(let index, let inner):
                    guard fields.indices.contains(index) else { throw NestedPlan.mismatch(node, type) }
                    parts.append(try self.part(fields[index], inner, field.type))
                }
            }
        } else {
            let names = fields.map { StructField($0.name, .unknown) }
            for field in wanted {
                guard let index = names.place(of: field.name) else {
                    parts.append(.constant(.null(field.type)))
                    continue
                }
                parts.append(try self.part(fields[index], shape, field.type))
            }
        }
        var guide: Int?
        for part in parts where guide == nil { guide = NestedPlan.guide(part) }
        if guide == nil, let leaf = node.firstLeaf { guide = add(leaf, leaf.type) }
        guard let guide else { throw Damage("a struct without columns") }
        return .row(guide: guide, present: node.present, parts, type: type)
    }

    /// The first leaf that a part reads.
    private static func guide(_ part: Part) -> Int? {
        switch part {
        case .leaf(let index, _): index
        case .row(let guide, _, _, _), .list(let guide, _, _, _, _): guide
        case .constant: nil
        }
    }
}

/// Reads a nested column of a row group, forward. One owner thread.
final class NestedReader {
    private let root: NestedPlan.Part
    private let readers: [LevelReader]
    /// Rows that are behind.
    private var behind = 0

    init(_ plan: NestedPlan, _ readers: [LevelReader]) {
        root = plan.root
        self.readers = readers
    }

    /// Reads `n` rows from row `from` on, which must not lie behind.
    func read(from: Int, _ n: Int) throws(Damage) -> Column {
        guard from >= behind else { throw Damage("rows of a nested column were asked for twice") }
        for reader in readers {
            if from > behind { try reader.skip(from - behind) }
            try reader.read(n)
        }
        behind = from + n
        let column = try build(root, ListLevels(), slots: n)
        return column
    }

    /// Makes the column of a part; `list` are the levels of the elements that it lies in, `slots` their number.
    private func build(_ part: NestedPlan.Part, _ list: ListLevels, slots: Int) throws(Damage) -> Column {
        switch part {
        case .constant(let value): return Column.constant(value, count: slots)
        case .leaf(let index, let type): return try leaf(readers[index], list, slots, type)
        case .row(let guide, let present, let parts, let type):
            let levels = try checked(readers[guide], list, slots)
            let validity = levels.validity(list, present: present, slots: slots)
            var fields: [Column] = []
            for part in parts { fields.append(Flatten.flat(try build(part, list, slots: slots))) }
            return Column(type, count: slots, values: Column.places(slots), validity: validity, fields: fields)
        case .list(let guide, let present, let inner, let element, let type):
            let levels = try checked(readers[guide], list, slots)
            guard let spans = levels.spans(list, of: inner, slots: slots) else {
                throw NestedReader.contradiction(readers[guide].leaf, 0, slots)
            }
            let validity = levels.validity(list, present: present, slots: slots)
            let child = try build(element, inner, slots: levels.slots(inner))
            return Column(type, count: slots, values: spans, validity: validity, child: Flatten.flat(child))
        }
    }

    private static func contradiction(_ leaf: Leaf, _ found: Int, _ wanted: Int) -> Damage {
        Damage("the levels of leaf \"\(leaf.name)\" tell of \(found) values where \(wanted) are expected")
    }

    /// All leaves of a struct must tell of as many structs.
    private func checked(_ reader: LevelReader, _ list: ListLevels, _ slots: Int) throws(Damage) -> LeafLevels {
        let levels = reader.levels
        let found = levels.slots(list)
        guard found == slots else { throw NestedReader.contradiction(reader.leaf, found, slots) }
        return levels
    }

    private func leaf(
        _ reader: LevelReader, _ list: ListLevels, _ slots: Int, _ type: SQLType
    ) throws(Damage) -> Column {
        let levels = try checked(reader, list, slots)
        let dense = reader.dense
        let spread: Column
        if let validity = levels.validity(list, present: reader.leaf.definitionMax, slots: slots) {
            let stride = dense.physical.stride
            let values = Buffer(bytes: max(1, slots) * stride)
            let bits = UnsafePointer(validity.pointer(UInt64.self))
            let ones = BitCopy.ones(bits, at: 0, slots)
            guard ones == dense.count else { throw NestedReader.contradiction(reader.leaf, dense.count, ones) }
            Moves.spread(dense.values.base, bits, at: 0, slots, stride: stride, to: values.base)
            spread = Column(dense.type, count: slots, values: values, validity: validity, heaps: dense.heaps)
        } else {
            guard dense.count == slots else { throw NestedReader.contradiction(reader.leaf, dense.count, slots) }
            spread = dense
        }
        return try NestedValues.convert(spread, to: type)
    }
}

/// Values of a leaf as what is wanted of them.
enum NestedValues {
    /// Whether values can be read; leniently, where their types were checked, also where only the bits are the same.
    static func canRead(_ from: SQLType, as to: SQLType, isLenient: Bool) -> Bool {
        if from.widens(to: to) { return true }
        guard isLenient else { return false }
        switch (from, to) {
        case (.timestamp, .timestamptz), (.timestamptz, .timestamp), (.bytea, .uuid): return true
        case (_, .varchar), (_, .char): return from.widens(to: .text)
        default: return false
        }
    }

    /// What views are read as: UUIDs come as bytes.
    static func viewType(_ type: SQLType) -> SQLType {
        switch type {
        case .uuid: .bytea
        case .varchar, .char: .text
        default: type
        }
    }

    static func convert(_ column: Column, to type: SQLType) throws(Damage) -> Column {
        if column.type == type { return column }
        switch (column.type, type) {
        case (.timestamp, .timestamptz), (.timestamptz, .timestamp): return column.retyped(type)
        case (.bytea, .uuid): return try uuids(column)
        case (_, .varchar), (_, .char): return try Widening.widen(column, to: .text).retyped(type)
        default: return try Widening.widen(column, to: type)
        }
    }

    private static func uuids(_ column: Column) throws(Damage) -> Column {
        let values = Buffer(count: max(1, column.count), of: Int128.self)
        let (from, to) = (column.pointer(StringView.self), values.pointer(Int128.self))
        for row in 0..<column.count {
            guard column.isValid(row) else {
                to[row] = 0
                continue
            }
            guard from[row].count == 16 else { throw Damage("a UUID has \(from[row].count) bytes") }
            to[row] = from[row].withBytes { bytes in
                UUIDBits.stored(UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self)))
            }
        }
        return Column(.uuid, count: column.count, values: values, validity: column.validity)
    }
}
