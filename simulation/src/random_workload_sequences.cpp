// What the workload does to lists, texts and logs.
#include <algorithm>
#include <utility>

#include "check/elements.h"
#include "random_workload.h"

namespace rejoin::simulation {

namespace {

constexpr const char* mark_names[] = {"bold", "colour"};

// An operation on elements that stand, or will, before the one that is now at `end` of a sequence
// and behind the one before `begin`.
Op op_between(Op::Kind kind, LeafIndex index, const std::vector<std::int64_t>& elements,
              std::size_t begin, std::size_t end) {
  Op op{kind, index, 0, {}, {}, 0, 0};
  if (begin > 0) op.left = elements[begin - 1];
  if (end < elements.size()) op.right = elements[end];
  return op;
}

}  // namespace

template <class Insert, class Remove>
Status RandomWorkload::write_elements(const std::vector<std::int64_t>& elements, LeafIndex index,
                                      std::vector<Op>& ops, Insert insert, Remove remove) {
  Random& random = cluster_->random();
  const std::size_t size = elements.size();
  const bool erases = size > 0 && random.chance(size > 20 ? percent(80) : percent(25));
  if (erases) {
    const std::size_t at = random.below(size);
    const std::size_t count = random.between(1, std::min<std::size_t>(size - at, 4));
    Op did{Op::Kind::erase, index, 0, {}, {}, 0, 0};
    for (std::size_t i = at; i < at + count; ++i) did.elements.push_back(elements[i]);
    ops.push_back(std::move(did));
    return remove(at, count);
  }
  const bool pushes = random.coin();
  const std::size_t at = pushes ? size : random.below(size + 1);
  const std::size_t count = pushes ? 1 : random.between(1, 4);
  Op did = op_between(Op::Kind::insert, index, elements, at, at);
  for (std::size_t i = 0; i < count; ++i) did.elements.push_back(next_number_++);
  ops.push_back(did);
  return insert(at, did.elements);
}

Status RandomWorkload::write_list(MapRef map, LeafIndex index, std::vector<Op>& ops) {
  Random& random = cluster_->random();
  ListRef list = map.list(keys_->leaves()[index].name);
  std::vector<std::int64_t> elements = elements_of(list);
  const std::size_t size = elements.size();
  const std::uint64_t action = random.below(10);
  if (action < 2 && size > 1) {
    const std::size_t from = random.below(size);
    const std::size_t to = random.below(size);
    const std::int64_t moved = elements[from];
    if (from != to) {
      elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(from));
      ops.push_back(op_between(Op::Kind::move, index, elements, to, to));
      ops.back().elements = {moved};
    }
    return list.move(from, to);
  }
  if (action == 2) {
    const std::size_t at = random.below(size + 1);
    const std::int64_t number = next_number_++;
    ops.push_back(op_between(Op::Kind::insert_map, index, elements, at, at));
    ops.back().elements = {number};
    Result<MapRef> element = list.insert_map(at);
    if (!element.ok()) return element.error();
    return element->reg(element_number).set(number);
  }
  if (action == 3) {
    std::vector<std::size_t> maps;
    for (std::size_t i = 0; i < size; ++i) {
      if (list.map(i).ok()) maps.push_back(i);
    }
    if (!maps.empty()) {
      const std::size_t at = maps[random.below(maps.size())];
      const Value value(next_number_++);
      ops.push_back(Op{Op::Kind::note, index, 0, value, {elements[at]}, 0, 0});
      return list.map(at)->reg(element_note).set(value);
    }
  }
  return write_elements(
      elements, index, ops,
      [&](std::size_t at, const std::vector<std::int64_t>& run) {
        if (run.size() == 1 && at == size) return list.push(Value(run.front()));
        return list.insert(at, std::vector<Value>(run.begin(), run.end()));
      },
      [&](std::size_t at, std::size_t count) { return list.remove(at, count); });
}

Status RandomWorkload::write_text(MapRef map, LeafIndex index, std::vector<Op>& ops) {
  Random& random = cluster_->random();
  TextRef text = map.text(keys_->leaves()[index].name);
  const std::vector<std::int64_t> elements = elements_of(text.to_string());
  if (!elements.empty() && random.chance(percent(30))) {
    const std::size_t begin = random.below(elements.size());
    const std::size_t end =
        begin + random.between(1, std::min<std::size_t>(elements.size() - begin, 6));
    Op did = op_between(Op::Kind::mark, index, elements, begin, end);
    did.elements.assign(elements.begin() + static_cast<std::ptrdiff_t>(begin),
                        elements.begin() + static_cast<std::ptrdiff_t>(end));
    did.name = mark_names[random.below(std::size(mark_names))];
    did.grow = static_cast<Grow>(random.below(4));
    if (random.chance(percent(70))) {
      did.value = Value(next_number_++);
      ops.push_back(did);
      return text.mark(begin, end, did.name, did.value, did.grow);
    }
    // Where nothing of that name shows there is nothing to take away.
    const std::vector<TextSpan> spans = text.spans();
    const bool shows = std::any_of(spans.begin(), spans.end(), [&](const TextSpan& span) {
      return span.begin < end && begin < span.end &&
             std::any_of(span.marks.begin(), span.marks.end(),
                         [&](const TextMark& mark) { return mark.name == did.name; });
    });
    if (shows) ops.push_back(did);
    return text.unmark(begin, end, did.name, did.grow);
  }
  return write_elements(
      elements, index, ops,
      [&](std::size_t at, const std::vector<std::int64_t>& run) {
        std::string inserted;
        for (const std::int64_t element : run) append_element(inserted, element);
        return text.insert(at, inserted);
      },
      [&](std::size_t at, std::size_t count) { return text.remove(at, count); });
}

Status RandomWorkload::write_log(MapRef map, LeafIndex index, std::vector<Op>& ops) {
  LogRef log = map.log(keys_->leaves()[index].name);
  const std::vector<std::int64_t> elements = elements_of(log.values());
  Op did = op_between(Op::Kind::insert, index, elements, elements.size(), elements.size());
  for (std::uint64_t n = cluster_->random().between(1, 4); n > 0; --n) {
    did.elements.push_back(next_number_++);
  }
  ops.push_back(did);
  return log.append(std::vector<Value>(did.elements.begin(), did.elements.end()));
}

}  // namespace rejoin::simulation
