#include "connection.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace umbel::redis {
namespace {

constexpr std::chrono::milliseconds kFirstRest{50}, kLongestRest{1000};
constexpr std::chrono::milliseconds kPing{800};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

Reply copied(const redisReply& from) {
  using Kind = Reply::Kind;
  Reply reply;
  const auto text = [&](Kind kind) {
    reply.kind = kind;
    reply.text.assign(from.str, from.len);
  };
  switch (from.type) {
    case REDIS_REPLY_STATUS:
      text(Kind::Status);
      break;
    case REDIS_REPLY_ERROR:
      text(Kind::Error);
      break;
    case REDIS_REPLY_STRING:
      text(Kind::Text);
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Kind::Integer;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Kind::List;
      for (std::size_t i = 0; i < from.elements; ++i) {
        reply.list.push_back(copied(*from.element[i]));
      }
      break;
    default:
      break;
  }
  return reply;
}

void append_command(std::string& out, const Command& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> sizes;
  for (const auto& word : command) {
    words.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* text = nullptr;
  const int size =
      redisFormatCommandArgv(&text, static_cast<int>(words.size()), words.data(), sizes.data());
  if (size < 0) throw std::bad_alloc{};
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owned{text, &redisFreeCommand};
  out.append(text, static_cast<std::size_t>(size));
}

}  // namespace

Result<std::vector<Reply>> Connection::run(std::span<const Command> commands) {
  const auto turn = turn_.wait();
  return run_alone(commands, options_.timeout);
}

void Connection::drop() {
  const auto turn = turn_.wait();
  close();
}

Result<void> Connection::ping() {
  const auto until = Steady::now() + kPing;
  const auto turn = turn_.wait_until(until);
  if (!turn) {
    const std::lock_guard last_lock{last_mutex_};
    if (last_) return *last_;
    return {};
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
  const Command ping{"PING"};
  const auto replies = run_alone({&ping, 1}, std::max(left, std::chrono::milliseconds{1}));
  if (!replies) return replies.error();
  if (replies->front().is_error()) {
    return unavailable(options_.shown() + ": " + replies->front().text);
  }
  return {};
}

Result<std::vector<Reply>> Connection::run_alone(std::span<const Command> commands,
                                                 std::chrono::milliseconds timeout) {
  if (commands.empty()) return std::vector<Reply>{};
  const bool reused = socket_ != nullptr;
  auto until = Steady::now() + timeout;
  for (int attempt = 0;; ++attempt) {
    if (!socket_) {
      if (const auto opened = open(std::min(until, Steady::now() + options_.connect_timeout));
          !opened) {
        return failed(opened.error());
      }
    }
    auto replies = exchange(commands, until);
    if (replies) {
      const std::lock_guard lock{last_mutex_};
      last_.reset();
      return replies;
    }
    close();
    // What broke may have been broken since the last call.
    const bool again = reused && attempt == 0 && replies.error().code == Errc::Unavailable &&
                       Steady::now() < until;
    if (again) continue;
    auto error = failed(replies.error());
    if (error.code == Errc::Unavailable) error.code = Errc::OutcomeUnknown;
    return error;
  }
}

Error Connection::failed(const Error& error) {
  Error shown{error.code, "redis " + options_.shown() + ": " + error.what};
  const std::lock_guard lock{last_mutex_};
  last_ = shown;
  return shown;
}

Result<void> Connection::open(Steady::time_point until) {
  if (refusal_ && Steady::now() < not_before_) return *refusal_;
  auto socket = options_.path.empty() ? Socket::connect(options_.host, options_.port, until)
                                      : Socket::connect(options_.path, until);
  Result<void> done;
  if (socket) {
    socket_ = std::move(*socket);
    reader_.reset(redisReaderCreate());
    if (!reader_) throw std::bad_alloc{};
    done = introduce(until);
  } else {
    done = socket.error();
  }
  if (done) {
    rest_ = std::chrono::milliseconds{0};
    refusal_.reset();
    return done;
  }
  close();
  rest_ = std::clamp(rest_ * 2, kFirstRest, kLongestRest);
  not_before_ = Steady::now() + rest_;
  refusal_ = done.error();
  return done;
}

// Who we are and which database; a refusal may pass, when somebody corrects the server.
Result<void> Connection::introduce(Steady::time_point until) {
  std::vector<Command> commands;
  if (!options_.password.empty()) {
    Command auth{"AUTH"};
    if (!options_.user.empty()) auth.push_back(options_.user);
    auth.push_back(options_.password);
    commands.push_back(std::move(auth));
  }
  if (options_.database != 0) commands.push_back({"SELECT", std::to_string(options_.database)});
  commands.push_back({"PING"});  // finds a password that is missing, or a server that still loads
  const auto replies = exchange(commands, until);
  if (!replies) return replies.error();
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if ((*replies)[i].is_error()) {
      return unavailable(commands[i].front() + " refused: " + (*replies)[i].text);
    }
  }
  return {};
}

Result<std::vector<Reply>> Connection::exchange(std::span<const Command> commands,
                                                Steady::time_point until) {
  std::string out;
  for (const auto& command : commands) append_command(out, command);
  if (const auto written = socket_->write(out, until); !written) return written.error();
  std::vector<Reply> replies;
  replies.reserve(commands.size());
  while (replies.size() < commands.size()) {
    auto reply = read_one(until);
    if (!reply) return reply.error();
    replies.push_back(std::move(*reply));
  }
  return replies;
}

Result<Reply> Connection::read_one(Steady::time_point until) {
  std::array<char, 16 * 1024> bytes;
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
      return unavailable("what it answers is not Redis's protocol: " +
                         std::string{reader_->errstr});
    }
    if (raw != nullptr) {
      const std::unique_ptr<redisReply, FreeReply> owned{static_cast<redisReply*>(raw)};
      return copied(*owned);
    }
    const auto got = socket_->read(bytes, until);
    if (!got) return got.error();
    if (redisReaderFeed(reader_.get(), bytes.data(), *got) != REDIS_OK) {
      return unavailable("its answer could not be kept: " + std::string{reader_->errstr});
    }
  }
}

void Connection::close() {
  socket_.reset();
  reader_.reset();
}

}  // namespace umbel::redis
