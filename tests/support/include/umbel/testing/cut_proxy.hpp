// A TCP proxy on loopback that breaks connections as a network does: cut after any byte of either
// direction, standing still, slow, or refusing.
//
// A client connects to port() as if it were the server. What is told takes effect at once, on
// connections that are open as on later ones.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace umbel::testing {

enum class Direction { ToServer, ToClient };

// Thread-safe.
class CutProxy {
 public:
  // In front of a server at this loopback port, which may come later.
  explicit CutProxy(std::uint16_t server);
  ~CutProxy();
  CutProxy(const CutProxy&) = delete;
  CutProxy& operator=(const CutProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  // Once `bytes` more have been forwarded that way, counted over all connections from now on, the
  // connection that carried the last of them is reset on both sides; the next byte is not
  // forwarded. Once; then everything passes again. 0: with the next byte.
  void cut_after(Direction way, std::uint64_t bytes);
  // Resets what is open, now.
  void cut_now();
  // Forwards nothing that way, and reads nothing, until let go on; connections stay open.
  void stall(Direction way, bool stalled = true);
  // At most so many bytes a second, each way of each connection; 0: as fast as it goes.
  void slow(std::uint64_t bytes_per_second);
  // Nobody listens at port() any more (what is open stays), until allowed again.
  void refuse(bool refused = true);

  [[nodiscard]] std::uint64_t forwarded(Direction way) const;  // bytes, ever
  [[nodiscard]] std::uint64_t accepted() const;                // connections, ever
  [[nodiscard]] std::uint64_t cuts() const;                    // connections reset by us, ever
  [[nodiscard]] std::size_t open() const;

 private:
  struct Flow {
    std::string held;  // read, not yet passed on
    bool ended = false;
    double credit = 0;  // bytes that slow() allows now
  };
  struct Link {
    int client = -1, server = -1;
    std::array<Flow, 2> flows;
    [[nodiscard]] int from(std::size_t way) const { return way == 0 ? client : server; }
    [[nodiscard]] int to(std::size_t way) const { return way == 0 ? server : client; }
  };

  void listen_again();
  void wake() const;
  void run(const std::stop_token& stop);
  void accept_one();
  // False: the link is to be closed.
  [[nodiscard]] bool read(Link& link, std::size_t way);
  [[nodiscard]] bool write(Link& link, std::size_t way);
  void close_link(Link& link, bool reset);

  const std::uint16_t server_;
  std::uint16_t port_ = 0;
  int wake_[2] = {-1, -1};
  mutable std::mutex mutex_;  // of everything below
  int listener_ = -1;
  std::list<Link> links_;
  std::array<std::optional<std::uint64_t>, 2> left_;  // until the cut
  std::array<bool, 2> stalled_{};
  std::array<std::uint64_t, 2> forwarded_{};
  std::uint64_t rate_ = 0, accepted_ = 0, cuts_ = 0;
  std::jthread thread_;
};

}  // namespace umbel::testing
