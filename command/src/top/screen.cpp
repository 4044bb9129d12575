#include "screen.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "frame.h"
#include "reading.h"

namespace rejoin::command::top {
namespace {

constexpr int key_wait_ms = 100;

// Reads the node on a thread of its own, so that keys are answered while it does not.
class Reader {
 public:
  Reader(const RunningNode& node, std::chrono::milliseconds interval)
      : node_(node), interval_(interval), thread_([this] { run(); }) {}
  ~Reader() {
    {
      std::lock_guard guard(mutex_);
      ends_ = true;
      ending_.notify_one();
    }
    thread_.join();
  }

  // What was read so far, if there is something new since the last call.
  std::optional<Readings> news() {
    std::lock_guard guard(mutex_);
    if (!std::exchange(changed_, false)) return std::nullopt;
    return readings_;
  }

 private:
  void run() {
    std::optional<node::AdminClient> client;
    for (;;) {
      auto reading = read(client);
      std::unique_lock guard(mutex_);
      if (reading) {
        readings_.take(*std::move(reading));
      } else {
        readings_.lose(reading.error());
        client.reset();
      }
      changed_ = true;
      if (ending_.wait_for(guard, interval_, [&] { return ends_; })) return;
    }
  }
  Result<Reading> read(std::optional<node::AdminClient>& client) const {
    if (!client) {
      auto connected = node_.connect();
      if (!connected) return connected.error();
      client.emplace(*std::move(connected));
    }
    return read_node(*client);
  }

  const RunningNode& node_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable ending_;
  Readings readings_;
  bool changed_ = true;
  bool ends_ = false;
  std::thread thread_;
};

// The terminal, in the state that curses needs.
class Terminal {
 public:
  static std::optional<Terminal> open() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return std::nullopt;
    std::setlocale(LC_ALL, "");
    SCREEN* screen = ::newterm(nullptr, stdout, stdin);
    if (screen == nullptr) return std::nullopt;
    return Terminal(screen);
  }
  Terminal(Terminal&& other) noexcept : screen_(std::exchange(other.screen_, nullptr)) {}
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal() {
    if (screen_ == nullptr) return;
    ::endwin();
    ::delscreen(screen_);
  }

  std::size_t width() const { return static_cast<std::size_t>(std::max(1, ::getmaxx(::stdscr))); }
  std::size_t height() const { return static_cast<std::size_t>(std::max(1, ::getmaxy(::stdscr))); }

  void draw(const std::vector<Line>& lines) {
    ::werase(::stdscr);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const attr_t style = attributes(lines[i].style);
      ::wattrset(::stdscr, static_cast<int>(style));
      ::wmove(::stdscr, static_cast<int>(i), 0);
      ::waddnstr(::stdscr, lines[i].text.c_str(), -1);
      const bool is_bar = lines[i].style == Style::head || lines[i].style == Style::chosen;
      if (is_bar) ::whline(::stdscr, ' ' | style, static_cast<int>(width()));
    }
    ::wattrset(::stdscr, A_NORMAL);
    ::wrefresh(::stdscr);
  }
  // The next key; ERR when none was pressed for a while.
  int key() { return ::wgetch(::stdscr); }

 private:
  explicit Terminal(SCREEN* screen) : screen_(screen) {
    ::cbreak();
    ::noecho();
    ::keypad(::stdscr, TRUE);
    ::wtimeout(::stdscr, key_wait_ms);
    ::curs_set(0);
    if (::has_colors()) {
      ::start_color();
      ::use_default_colors();
      ::init_pair(good_pair, COLOR_GREEN, -1);
      ::init_pair(bad_pair, COLOR_RED, -1);
    }
  }

  static constexpr short good_pair = 1;
  static constexpr short bad_pair = 2;

  static attr_t attributes(Style style) {
    switch (style) {
      case Style::plain:
        break;
      case Style::title:
        return A_BOLD;
      case Style::head:
        return A_REVERSE;
      case Style::chosen:
        return A_BOLD | A_UNDERLINE;
      case Style::good:
        return static_cast<attr_t>(COLOR_PAIR(good_pair));
      case Style::bad:
        return A_BOLD | static_cast<attr_t>(COLOR_PAIR(bad_pair));
      case Style::faint:
        return A_DIM;
    }
    return A_NORMAL;
  }

  SCREEN* screen_;
};

// The space that is so many places further, round and round.
std::string space_after(const std::vector<std::string>& spaces, const std::string& chosen,
                        int step) {
  if (spaces.empty()) return chosen;
  const auto found = std::ranges::find(spaces, chosen);
  const auto at = found == spaces.end() ? 0 : found - spaces.begin();
  const auto count = static_cast<std::ptrdiff_t>(spaces.size());
  return spaces[static_cast<std::size_t>((at + step + count) % count)];
}

}  // namespace

Status show(const RunningNode& node, const std::string& space, std::chrono::milliseconds interval) {
  auto terminal = Terminal::open();
  if (!terminal) {
    const char* name = std::getenv("TERM");
    return make_error(ErrorCode::invalid_argument,
                      "there is no terminal to draw on (TERM is " +
                          std::string(name == nullptr ? "not set" : name) +
                          "); --once prints the same as text");
  }
  Reader reader(node, interval);
  Readings readings;
  View view;
  view.space = space;
  for (;;) {
    if (auto news = reader.news()) readings = *std::move(news);
    view.width = terminal->width();
    view.height = terminal->height();
    terminal->draw(frame(readings, view));
    switch (terminal->key()) {
      case 'q':
        return {};
      case 'h':
      case '?':
        view.help = !view.help;
        break;
      case '\t':
      case KEY_DOWN:
        view.space = space_after(spaces_in(readings), view.space, 1);
        break;
      case KEY_UP:
      case KEY_BTAB:
        view.space = space_after(spaces_in(readings), view.space, -1);
        break;
      default:
        break;
    }
  }
}

}  // namespace rejoin::command::top
