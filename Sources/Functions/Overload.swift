// Declaring functions and choosing between them by PostgreSQL's rules (docs 10.2 and 10.3).
import Columns
import Diagnostics

/// What a declared parameter takes.
enum Parameter: Sendable, Hashable {
    /// A base type: without length, precision or scale.
    case type(SQLType)
    /// Anything, as it is; unknown literals become text.
    case any
    /// The same, but no array.
    case anyNonArray
    /// Anything, all such parameters of one common type.
    case anyElement
    /// An array of the common type of the anyElement parameters.
    case anyArray
    /// Any struct.
    case anyRow
    /// Any map.
    case anyMap
    /// Labels, all such parameters of one type.
    case anyEnum
}

/// The arguments of a call once the overload is chosen.
struct Call: Sendable {
    /// Types as passed; unknown ones replaced by the parameter's.
    var types: [SQLType]
    var literals: [Scalar?]
    var position: Int?

    /// The constant value of an argument, where known and not NULL.
    func literal(_ index: Int) -> Scalar? {
        guard index < literals.count, let value = literals[index], !value.isNull else { return nil }
        return value
    }
}

/// An overload settled for the types of a call.
struct Binding: Sendable {
    var arguments: [SQLType]
    var result: SQLType
    var kernel: Kernel
}

/// One declared function or operator.
struct Overload: Sendable {
    private(set) var name: String
    let parameters: [Parameter]
    /// Trailing parameters that may be left out.
    var optional = 0
    /// Whether the last parameter repeats, none included when it is also optional.
    var isVariadic = false
    var volatility = Volatility.immutable
    var isStrict = true
    var canFail = true
    let bind: @Sendable (Call) throws(SQLError) -> Binding

    /// Declares fixed types: numeric parameters get the variable-scale form, text ones any string type.
    init(
        _ name: String, _ parameters: [SQLType], _ result: SQLType, optional: Int = 0,
        volatility: Volatility = .immutable, isStrict: Bool = true, canFail: Bool = true, _ kernel: @escaping Kernel
    ) {
        self.name = name
        self.parameters = parameters.map { .type($0) }
        self.optional = optional
        self.volatility = volatility
        self.isStrict = isStrict
        self.canFail = canFail
        bind = { (call) throws(SQLError) in
            var arguments: [SQLType] = []
            for (index, type) in call.types.enumerated() {
                arguments.append(Overload.argument(parameters[min(index, parameters.count - 1)], type))
            }
            return Binding(arguments: arguments, result: result, kernel: kernel)
        }
    }

    /// Declares parameters whose types the binding settles.
    init(
        _ name: String, _ parameters: [Parameter], optional: Int = 0, isVariadic: Bool = false,
        volatility: Volatility = .immutable, isStrict: Bool = true, canFail: Bool = true,
        bind: @escaping @Sendable (Call) throws(SQLError) -> Binding
    ) {
        self.name = name
        self.parameters = parameters
        self.optional = optional
        self.isVariadic = isVariadic
        self.volatility = volatility
        self.isStrict = isStrict
        self.canFail = canFail
        self.bind = bind
    }

    /// The same under another name: operators that are functions too.
    func renamed(_ name: String) -> Overload {
        var copy = self
        copy.name = name
        return copy
    }

    /// The type an argument is cast to for a fixed parameter: strings stay what they are, they are stored alike.
    static func argument(_ parameter: SQLType, _ actual: SQLType) -> SQLType {
        switch (parameter, actual) {
        case (.text, .varchar): actual
        case (.text, .system(let type)) where type.isText: actual
        // A length-less char(n) parameter only looks at the bytes; nothing is cut or padded.
        case (.char, .char), (.char, .text), (.char, .varchar): actual
        case (.bit, .bit), (.bit, .varbit), (.varbit, .bit), (.varbit, .varbit): actual
        default: parameter
        }
    }

    /// The parameter for an argument's index.
    func parameter(_ index: Int) -> Parameter { parameters[min(index, parameters.count - 1)] }

    /// Whether a number of arguments fits.
    func takes(_ count: Int) -> Bool {
        if isVariadic { return count >= parameters.count - optional }
        return count <= parameters.count && count >= parameters.count - optional
    }
}

/// Chooses among overloads.
enum OverloadChoice {
    enum Outcome { case chosen(Overload), none, ambiguous }

    /// Applies the rules; `types` may hold unknown.
    static func choose(_ candidates: [Overload], _ types: [SQLType], isOperator: Bool) -> Outcome {
        let bases = types.map(TypeRules.base)
        let fitting = candidates.filter { $0.takes(types.count) }
        if let exact = exactMatch(fitting, bases, isOperator: isOperator) { return .chosen(exact) }
        var left = fitting.filter { accepts($0, bases) }
        if left.count == 1 { return .chosen(left[0]) }
        guard !left.isEmpty else { return .none }
        left = best(left) { exactCount($0, bases) }
        if left.count == 1 { return .chosen(left[0]) }
        left = best(left) { preferredCount($0, bases) }
        if left.count == 1 { return .chosen(left[0]) }
        guard bases.contains(.unknown) else { return .ambiguous }
        if let narrowed = byUnknownCategories(left, bases) {
            left = narrowed
            if left.count == 1 { return .chosen(left[0]) }
        }
        let known = Set(bases.filter { $0 != .unknown })
        if known.count == 1, let type = known.first {
            let same = left.filter { accepts($0, bases.map { _ in type }) }
            if same.count == 1 { return .chosen(same[0]) }
        }
        return .ambiguous
    }

    private static func exactMatch(_ candidates: [Overload], _ bases: [SQLType], isOperator: Bool) -> Overload? {
        var wanted = bases
        if isOperator, bases.count == 2, bases.contains(.unknown) {
            // An operator's unknown side is first taken as the other side's type.
            if bases[0] == .unknown { wanted[0] = bases[1] } else { wanted[1] = bases[0] }
        }
        if wanted.contains(.unknown) { return nil }
        return candidates.first { candidate in
            for (index, type) in wanted.enumerated() where candidate.parameter(index) != .type(type) { return false }
            return !wanted.isEmpty || candidate.parameters.isEmpty || candidate.takes(0)
        }
    }

    private static func accepts(_ candidate: Overload, _ bases: [SQLType]) -> Bool {
        var elements: [SQLType] = []
        var hasArray = false
        for (index, type) in bases.enumerated() {
            switch candidate.parameter(index) {
            case .any: break
            case .anyNonArray: if case .array = type { return false }
            case .type(let wanted): if !TypeRules.canCast(type, wanted, .implicit) { return false }
            case .anyElement: elements.append(type)
            case .anyEnum:
                guard type != .unknown else { break }
                guard case .enumeration = type else { return false }
                elements.append(type)
            case .anyRow: if type.rowFields == nil, type != .unknown { return false }
            case .anyMap:
                guard type != .unknown else { break }
                guard case .map = type else { return false }
            case .anyArray:
                hasArray = true
                switch type {
                case .array(let element): elements.append(element)
                case .unknown: break
                default: return false
                }
            }
        }
        return !(hasArray || !elements.isEmpty) || TypeRules.common(elements) != nil
    }

    private static func best(_ candidates: [Overload], _ score: (Overload) -> Int) -> [Overload] {
        let scores = candidates.map(score)
        let top = scores.max() ?? 0
        return candidates.indices.filter { scores[$0] == top }.map { candidates[$0] }
    }

    private static func exactCount(_ candidate: Overload, _ bases: [SQLType]) -> Int {
        var total = 0
        for (index, type) in bases.enumerated() where candidate.parameter(index) == .type(type) { total += 1 }
        return total
    }

    private static func preferredCount(_ candidate: Overload, _ bases: [SQLType]) -> Int {
        var total = 0
        for (index, type) in bases.enumerated() where type != .unknown {
            guard case .type(let wanted) = candidate.parameter(index) else { continue }
            if wanted == type { total += 1 }
            if wanted != type, TypeRules.isPreferred(wanted), TypeRules.category(wanted) == TypeRules.category(type) {
                total += 1
            }
        }
        return total
    }

    private static func byUnknownCategories(_ candidates: [Overload], _ bases: [SQLType]) -> [Overload]? {
        var left = candidates
        for (index, type) in bases.enumerated() where type == .unknown {
            var categories: Set<TypeCategory> = []
            for candidate in left {
                if case .type(let wanted) = candidate.parameter(index) {
                    categories.insert(TypeRules.category(wanted))
                } else {
                    categories.insert(.other)
                }
            }
            let category: TypeCategory
            if categories.contains(.string) {
                category = .string
            } else if categories.count == 1, let only = categories.first {
                category = only
            } else {
                return nil
            }
            let same = left.filter { candidate in
                guard case .type(let wanted) = candidate.parameter(index) else { return category == .other }
                return TypeRules.category(wanted) == category
            }
            let preferred = same.filter { candidate in
                guard case .type(let wanted) = candidate.parameter(index) else { return false }
                return TypeRules.isPreferred(wanted)
            }
            left = preferred.isEmpty ? same : preferred
            if left.isEmpty { return nil }
        }
        return left
    }

    /// Settles the chosen overload for a call.
    static func bind(
        _ overload: Overload, _ types: [SQLType], _ literals: [Scalar?], _ position: Int?
    ) throws(SQLError) -> BoundFunction {
        var settled: [SQLType] = []
        for (index, type) in types.enumerated() {
            guard type == .unknown else {
                settled.append(type)
                continue
            }
            switch overload.parameter(index) {
            case .type(.char): settled.append(.text)
            case .type(let wanted): settled.append(wanted)
            case .any, .anyNonArray, .anyElement, .anyArray, .anyRow, .anyMap, .anyEnum: settled.append(.unknown)
            }
        }
        settlePolymorphic(overload, &settled)
        let binding: Binding
        do throws(SQLError) {
            binding = try overload.bind(Call(types: settled, literals: literals, position: position))
        } catch {
            throw error.at(position)
        }
        let kernel = KernelFrame.wrap(
            binding.result, isStrict: overload.isStrict, volatility: overload.volatility, binding.kernel)
        return BoundFunction(
            name: overload.name, argumentTypes: binding.arguments, resultType: binding.result,
            volatility: overload.volatility, isStrict: overload.isStrict, canFail: overload.canFail, kernel: kernel)
    }

    private static func settlePolymorphic(_ overload: Overload, _ types: inout [SQLType]) {
        var elements: [SQLType] = []
        for (index, type) in types.enumerated() {
            switch (overload.parameter(index), type) {
            case (.anyElement, _), (.anyEnum, _): elements.append(type)
            case (.anyArray, .array(let element)): elements.append(element)
            case (.any, .unknown), (.anyNonArray, .unknown): types[index] = .text
            default: break
            }
        }
        guard let element = TypeRules.common(elements) else { return }
        for index in types.indices {
            switch overload.parameter(index) {
            case .anyElement, .anyEnum: types[index] = element
            case .anyArray: types[index] = .array(element)
            default: break
            }
        }
    }
}
