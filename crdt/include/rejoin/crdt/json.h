// A subtree as JSON, for people and other programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin {

// Maps become objects (keys sorted), lists, logs and sets arrays (sets in Value order; a map in a
// list is an object in the array), texts a string of their code points, without their marks,
// registers their value, multi-value registers an array of all siblings in Value order, counters
// numbers, flags booleans. Of several children under one name the one with the smallest Type number
// is shown. A tree becomes {"$tree": [{"name": ..., "parent":
// ..., "properties": {...}}, ...]}, a node after its parent, siblings in their order, without
// "parent" at the top and without empty properties. Bytes become {"$bytes": "<base64>"}, doubles
// that JSON cannot express
// {"$double": "nan" | "inf" |
// "-inf"}. Equal states give equal text. `not_found` when nothing is at the path; the root is
// always there.
Result<nlohmann::json> to_json(const Document& document, const Path& path = {});

// Makes the map at `path` (whose steps are maps) say what `json` says, writing only what differs.
// Names that `json` lacks are removed, whatever their type, when `remove_missing`.
//
// The inverse of to_json: a child that already says the same is left alone. A counter is told an
// integer by adding the difference (a bounded one within the rights that are here), a flag a
// boolean, a set an array of distinct scalars (in any order), a register a scalar, a multi-value
// register an array of one, a log an array that goes on where it ends, a text a string that is not
// empty (marks of code points that stay stay as well). Otherwise a child of another
// type gives way, and objects are written as maps, arrays as lists (of which elements that stand
// elsewhere are moved, and only those that differ replaced, an object as a whole), scalars as
// registers; of a tree's nodes those are moved that stand elsewhere. An empty array leaves nothing
// under its name, as an empty list does, and so does `false` where an enable flag was on.
//
// `wrong_type` when `json` is no object, or an array holds an array: a list's elements are scalars
// and objects. `out_of_range` for integers beyond int64, for a counter that would have to change by
// more than int64 holds, and for a bounded counter that would have to fall by more rights than are
// here. Otherwise what the writes say (limits, UTF-8).
// The error names the path; nothing of the import is left in the transaction then.
Status from_json(Transaction& transaction, const Path& path, const nlohmann::json& json,
                 bool remove_missing = true);
// The same of the map at `path` below another one that exists, an element of a list for instance.
Status from_json(Transaction& transaction, MapRef above, const Path& path,
                 const nlohmann::json& json, bool remove_missing = true);

// Inserts the elements of an array before the element now at `index`, as from_json() writes them:
// scalars and objects, which become maps. Errors as of from_json() and ListRef::insert(); nothing
// is left in the transaction then. An array is asserted.
Status insert_json(Transaction& transaction, ListRef list, std::size_t index,
                   const nlohmann::json& elements);

// One value, as to_json() writes it.
nlohmann::json value_to_json(const Value& value);
// The inverse. `wrong_type` for arrays and other objects.
Result<Value> value_from_json(const nlohmann::json& json);

}  // namespace rejoin
