#include "admin_watch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "admin_commands.h"
#include "rejoin/crdt/json.h"
#include "runtime.h"

namespace rejoin::node {
namespace {

// Beyond so many the watched path stands for all.
constexpr std::size_t paths_max = 1000;

// The path of what is shown whole, at least so deep: what lies below a list, a set, a text and the
// like is part of it.
Path whole(const Path& path, std::size_t depth) {
  std::vector<Step> steps;
  for (const Step& step : path.steps()) {
    steps.push_back(step);
    if (steps.size() >= depth && step.type != Type::map) break;
  }
  return Path(std::move(steps));
}

}  // namespace

struct AdminWatch::Changes {
  std::mutex mutex;
  std::set<Path> paths;
  bool all = false;  // whatever the watched path names
};

Result<std::unique_ptr<AdminWatch>> AdminWatch::begin(Runtime& runtime, const std::string& space,
                                                      NamedPath path, bool values) {
  Descriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (event.get() < 0) return make_error(ErrorCode::io, "cannot make an eventfd");
  return std::unique_ptr<AdminWatch>(
      new AdminWatch(runtime, space, std::move(path), values, std::move(event)));
}

AdminWatch::AdminWatch(Runtime& runtime, std::string space, NamedPath path, bool values,
                       Descriptor event)
    : runtime_(runtime),
      space_(std::move(space)),
      path_(std::move(path)),
      values_(values),
      event_(std::move(event)),
      changes_(std::make_unique<Changes>()) {
  const Path watched = path_.is_typed() ? path_.path() : path_.path().parent();
  const auto on_change = [this, watched](const ChangeNotice& notice) {
    bool any = false;
    {
      std::lock_guard guard(changes_->mutex);
      for (const Path& changed : notice.paths) {
        const bool below = path_.covers(changed);
        const bool above = watched.starts_with(changed);  // all of it, or too much to name
        any = any || below || above;
        if (above || changes_->paths.size() >= paths_max) changes_->all = true;
        if (below && !changes_->all) changes_->paths.insert(whole(changed, path_.path().depth()));
      }
      if (changes_->all) changes_->paths.clear();
    }
    if (!any) return;
    const std::uint64_t one = 1;
    // Fails only when it can be read already.
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
  };
  id_ = runtime_.watch(space_, watched, on_change);
}

AdminWatch::~AdminWatch() { runtime_.unwatch(id_); }

std::string AdminWatch::take_lines() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t read = ::read(event_.get(), &count, sizeof count);
  std::set<Path> paths;
  bool all = false;
  {
    std::lock_guard guard(changes_->mutex);
    paths.swap(changes_->paths);
    all = std::exchange(changes_->all, false);
  }
  std::vector<nlohmann::json> told;
  runtime_.read(space_, [&](const Document& document) {
    if (all) paths.insert(path_.find(document).value_or(path_.path()));
    for (const Path& path : paths) {
      nlohmann::json& line = told.emplace_back(nlohmann::json{{"path", path.to_string()}});
      if (!path.is_root() && !document.exists(path)) {
        line["removed"] = true;
      } else if (values_) {
        auto value = to_json(document, path);
        if (value) line["value"] = *std::move(value);
      }
    }
  });
  std::string lines;
  for (const nlohmann::json& line : told) lines += admin_line(line) + "\n";
  return lines;
}

}  // namespace rejoin::node
