// How far arrays go: PostgreSQL's arrays of several dimensions are lists of lists here.
import Columns
import Diagnostics

enum ArrayDimensions {
    static let all: [Overload] = measures + shapes

    /// Elements that array_fill() makes at most.
    private static let filledMax = 1 << 20

    /// The lengths of the dimensions, outermost first; none of an empty array. Where inner lists differ in length only
    /// the outer dimension counts.
    private static func lengths(_ items: [Scalar], depth: Int) -> [Int] {
        guard !items.isEmpty else { return [] }
        guard depth > 1 else { return [items.count] }
        var inner: [Int]?
        for item in items {
            guard case .array(let parts) = item.value else { return [items.count] }
            let found = lengths(parts, depth: depth - 1)
            if let inner, inner != found { return [items.count] }
            inner = found
        }
        return [items.count] + (inner ?? [])
    }

    /// A number, or text, of an array's dimensions and of the argument after it.
    private static func measure(
        _ name: String, _ more: [SQLType], _ result: SQLType, _ body: @escaping @Sendable ([Int], Int) -> Scalar?
    ) -> Overload {
        Overload(name, [.anyArray] + more.map(Parameter.type), canFail: false) { (call) throws(SQLError) in
            let depth = call.types[0].arrayDepth
            return Binding(
                arguments: [call.types[0]] + more, result: result,
                kernel: ArrayFunctions.rowwise(result) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row), more.isEmpty || a[1].isValid(row) else {
                        return .null(result)
                    }
                    let dimension = more.isEmpty ? 1 : Int(Lane(a[1], Int32.self)[row])
                    return body(lengths(items, depth: depth), dimension) ?? .null(result)
                })
        }
    }

    private static let measures: [Overload] = [
        measure("array_length", [.int4], .int4) { at($0, $1).map { .int4(Int32($0)) } },
        measure("array_upper", [.int4], .int4) { at($0, $1).map { .int4(Int32($0)) } },
        measure("array_lower", [.int4], .int4) { at($0, $1).map { _ in .int4(1) } },
        measure("array_ndims", [], .int4) { (lengths, _) in lengths.isEmpty ? nil : .int4(Int32(lengths.count)) },
        measure("array_dims", [], .text) { (lengths, _) in
            lengths.isEmpty ? nil : .text(lengths.map { "[1:\($0)]" }.joined())
        },
        measure("cardinality", [], .int4) { (lengths, _) in
            .int4(lengths.isEmpty ? 0 : Int32(truncatingIfNeeded: lengths.reduce(1, &*)))
        },
    ]

    private static func at(_ lengths: [Int], _ dimension: Int) -> Int? {
        dimension >= 1 && dimension <= lengths.count ? lengths[dimension - 1] : nil
    }

    private static let shapes: [Overload] = [
        Overload("trim_array", [.anyArray, .type(.int4)]) { (call) throws(SQLError) in
            let type = call.types[0]
            return Binding(
                arguments: [type, .int4], result: type,
                kernel: ArrayFunctions.rowwise(type) { (a, row) throws(SQLError) in
                    guard let items = ArrayFunctions.elements(a[0], row), a[1].isValid(row) else { return .null(type) }
                    let count = Int(Lane(a[1], Int32.self)[row])
                    guard count >= 0, count <= items.count else {
                        throw SQLError(
                            SQLState("2202E"), "number of elements to trim must be between 0 and \(items.count)")
                    }
                    return Scalar(type, .array(Array(items.dropLast(count))))
                })
        },
        Overload("array_fill", [.anyElement, .type(.array(.int4))], isStrict: false) { (call) throws(SQLError) in
            let type = SQLType.array(call.types[0])
            return Binding(
                arguments: [call.types[0], .array(.int4)], result: type,
                kernel: ArrayFunctions.rowwise(type) { (a, row) throws(SQLError) in
                    guard let sizes = ArrayFunctions.elements(a[1], row) else {
                        throw SQLError(SQLState("22004"), "dimension array or low bound array cannot be null")
                    }
                    guard sizes.count <= 1 else {
                        throw SQLError(.featureNotSupported, "array_fill of more than one dimension is not supported")
                    }
                    guard case .int(let size) = sizes.first?.value ?? .int(0) else {
                        throw SQLError(SQLState("22004"), "dimension values cannot be null")
                    }
                    guard size >= 0, size <= filledMax else {
                        throw SQLError(.programLimitExceeded, "array size exceeds the maximum allowed (\(filledMax))")
                    }
                    return Scalar(type, .array(Array(repeating: a[0].scalar(row), count: Int(size))))
                })
        },
        Overload("width_bucket", [.anyElement, .anyArray]) { (call) throws(SQLError) in
            let element = ArrayFunctions.element(call.types[1])
            return Binding(
                arguments: [element, .array(element)], result: .int4,
                kernel: ArrayFunctions.rowwise(.int4) { (a, row) throws(SQLError) in
                    guard a[0].isValid(row), let bounds = ArrayFunctions.elements(a[1], row) else {
                        return .null(.int4)
                    }
                    guard !bounds.contains(where: \.isNull) else {
                        throw SQLError(SQLState("22004"), "thresholds array must not contain NULLs")
                    }
                    let value = a[0].scalar(row)
                    // The first bound above the value: bounds ascend.
                    var (low, high) = (0, bounds.count)
                    while low < high {
                        let middle = (low + high) / 2
                        if (Scalar.compare(value, bounds[middle]) ?? 0) < 0 { high = middle } else { low = middle + 1 }
                    }
                    return .int4(Int32(low))
                })
        },
    ]
}
