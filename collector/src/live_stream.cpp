#include "live_stream.hpp"

#include <charconv>
#include <optional>

#include "umbel/base/ids.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

std::optional<std::uint64_t> number_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return number;
}

bool is_ping(std::string_view text) {
  boost::system::error_code error;
  const json::value message = json::parse(text, error);
  if (error || !message.is_object()) return false;
  const json::value* const type = message.get_object().if_contains("type");
  return type != nullptr && type->is_string() && type->get_string() == "ping";
}

std::shared_ptr<const std::string> shared_text(const json::object& message) {
  return std::make_shared<const std::string>(json::serialize(message));
}

void append(json::object& message, json::object sections) {
  for (auto& [name, value] : sections) message.emplace(name, std::move(value));
}

}  // namespace

LiveStream::LiveStream(Live& live, const Clock& clock, metrics::Metrics& metrics,
                       LiveStreamOptions options)
    : live_{live}, clock_{clock}, metrics_{metrics}, options_{options}, epoch_{random_uuid()} {
  (void)metrics_.counter(metrics::kPagesDropped);
}

LiveStream::~LiveStream() { stop(); }

void LiveStream::start(std::uint64_t sequence, About about) {
  {
    const std::lock_guard lock{mutex_};
    sequence_ = sequence;
    about_ = about;
    delta_ = std::make_unique<Delta>(std::move(about));
  }
  publish();
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void LiveStream::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void LiveStream::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    publish();
    std::unique_lock lock{wake_mutex_};
    wake_.wait_for(lock, stop, options_.every, [] { return false; });
  }
}

void LiveStream::publish() {
  const std::lock_guard lock{mutex_};
  const WallTime now = clock_.wall();
  hand_out(live_.with([&](LiveState& state) { return delta_->next(state, now); }), now);
}

void LiveStream::hand_out(json::object change, WallTime now) {
  if (change.empty()) return;
  json::object message{{"type", "change"}, {"seq", ++sequence_}, {"now", to_unix_seconds(now)}};
  append(message, std::move(change));
  const auto text = shared_text(message);
  changes_.push_back({sequence_, text});
  changes_bytes_ += text->size();
  while (changes_.size() > options_.kept_changes ||
         (changes_bytes_ > options_.kept_bytes && changes_.size() > 1)) {
    changes_bytes_ -= changes_.front().text->size();
    changes_.pop_front();
  }
  hand_to_all(text);
}

void LiveStream::hand_to_all(const std::shared_ptr<const std::string>& text) {
  for (auto page = pages_.begin(); page != pages_.end();) {
    if ((*page)->send(text)) {
      sent_bytes_ += text->size();
      ++page;
      continue;
    }
    metrics_.counter(metrics::kPagesDropped).Increment();
    page = pages_.erase(page);
  }
}

http::WebSocketRoute LiveStream::route(const std::string& path) {
  http::WebSocketRoute route;
  route.path = path;
  route.on_open = [this](std::shared_ptr<http::WebSocket> page, const http::Request& request) {
    open(std::move(page), request);
  };
  route.on_text = [](const std::shared_ptr<http::WebSocket>& page, std::string_view text) {
    if (is_ping(text)) page->send(std::make_shared<const std::string>(R"({"type":"pong"})"));
  };
  route.on_close = [this](const std::shared_ptr<http::WebSocket>& page) { close(page); };
  return route;
}

void LiveStream::open(std::shared_ptr<http::WebSocket> page, const http::Request& request) {
  const std::lock_guard lock{mutex_};
  if (!delta_) return page->close();
  if (!resume(*page, request)) {
    const Change& known = snapshot(options_.shared_snapshot);
    if (!page->send(known.text)) return;
    send_changes(*page, known.sequence);
  }
  pages_.insert(std::move(page));
}

void LiveStream::send_changes(http::WebSocket& page, std::uint64_t after) const {
  for (const Change& change : changes_) {
    if (change.sequence > after) page.send(change.text);
  }
}

void LiveStream::close(const std::shared_ptr<http::WebSocket>& page) {
  const std::lock_guard lock{mutex_};
  pages_.erase(page);
}

bool LiveStream::resume(http::WebSocket& page, const http::Request& request) {
  const auto since = number_of(request.argument("since"));
  if (!since || request.argument("epoch") != epoch_ || *since > sequence_) return false;
  const std::uint64_t first = changes_.empty() ? sequence_ + 1 : changes_.front().sequence;
  if (*since + 1 < first) return false;
  page.send(shared_text({{"type", "resumed"}, {"epoch", epoch_}, {"seq", sequence_.load()}}));
  send_changes(page, *since);
  return true;
}

// A thousand pages that come at once, after a restart of this program, share one text: to each its
// own would be a hundred megabytes, and a change to all the others for each.
//
// What the snapshot shows has been handed out to the others as well, under the same lock: a row
// that goes back to what it was before the next comparison would otherwise stay wrong on the new
// page.
const LiveStream::Change& LiveStream::snapshot(std::chrono::milliseconds most) {
  const auto began = clock_.steady();
  const bool changes_are_kept =
      snapshot_.sequence == sequence_ ||
      (!changes_.empty() && changes_.front().sequence <= snapshot_.sequence + 1);
  if (snapshot_at_ && began - *snapshot_at_ < most && changes_are_kept) return snapshot_;
  const WallTime now = clock_.wall();
  json::object sections;
  json::object change = live_.with([&](LiveState& state) {
    json::object last = delta_->next(state, now);
    sections = all_sections(state, about_, now, delta_->last_second());
    return last;
  });
  hand_out(std::move(change), now);
  json::object message{{"type", "snapshot"},
                       {"epoch", epoch_},
                       {"seq", sequence_.load()},
                       {"now", to_unix_seconds(now)}};
  append(message, std::move(sections));
  snapshot_ = {sequence_, shared_text(message)};
  snapshot_at_ = began;
  return snapshot_;
}

std::size_t LiveStream::pages() const {
  const std::lock_guard lock{mutex_};
  return pages_.size();
}

std::string LiveStream::overview() {
  const std::lock_guard lock{mutex_};
  if (!delta_) return "{}";
  return *snapshot(options_.every).text;
}

}  // namespace umbel::collector
