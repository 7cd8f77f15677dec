#include "umbel/testing/redis_server.hpp"

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>

#include "dialogue.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/server_port.hpp"

namespace umbel::testing {
namespace {

std::string encoded(const std::vector<std::string>& command) {
  std::string out = fmt::format("*{}\r\n", command.size());
  for (const std::string& word : command) out += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return out;
}

std::string answer(Dialogue& dialogue) {
  const std::string head = dialogue.line();
  const std::string rest = head.substr(1);
  switch (head[0]) {
    case '-':
      throw std::runtime_error{"redis: " + rest};
    case '$': {
      if (rest == "-1") return "(nil)";
      const auto size = static_cast<std::size_t>(std::stoul(rest));
      std::string text = dialogue.receive(size + 2);
      text.resize(size);
      return text;
    }
    case '*': {
      std::string all;
      for (int left = std::stoi(rest); left > 0; --left) all += answer(dialogue) + "\n";
      return all;
    }
    default:
      return rest;
  }
}

}  // namespace

RedisServer::RedisServer(const std::string& password) : password_{password}, port_{server_port()} {
  std::vector<std::string> argv{"redis-server",
                                "--port",
                                std::to_string(port_),
                                "--bind",
                                "127.0.0.1",
                                "--save",
                                "",
                                "--appendonly",
                                "no",
                                "--dir",
                                dir_.path().string()};
  if (!password_.empty()) argv.insert(argv.end(), {"--requirepass", password_});
  server_ = std::make_unique<Process>("redis-server", argv, dir_.file("redis.log"));
  start();
}

RedisServer::~RedisServer() = default;

void RedisServer::start() {
  server_->start();
  const auto answers = [&] {
    try {
      return ask({"PING"}) == "PONG";
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  if (!eventually([&] { return !server_->running() || answers(); }, std::chrono::seconds{30}) ||
      !server_->running()) {
    throw std::runtime_error{"redis-server does not come up\n" + server_->end_of_log()};
  }
}

void RedisServer::kill() { server_->kill(); }

std::string RedisServer::url(int database, std::uint16_t port) const {
  const std::string login = password_.empty() ? "" : ":" + password_ + "@";
  return fmt::format("redis://{}127.0.0.1:{}/{}", login, port == 0 ? port_ : port, database);
}

std::string RedisServer::ask(const std::vector<std::string>& command, int database) {
  Dialogue dialogue{port_};
  if (!password_.empty()) {
    dialogue.send(encoded({"AUTH", password_}));
    answer(dialogue);
  }
  if (database != 0) {
    dialogue.send(encoded({"SELECT", std::to_string(database)}));
    answer(dialogue);
  }
  dialogue.send(encoded(command));
  return answer(dialogue);
}

}  // namespace umbel::testing
