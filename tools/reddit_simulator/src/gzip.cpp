#include "gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace umbel::reddit_simulator {
namespace {

// Feeds `piece` as often as it takes to make `size` bytes of it.
std::string packed(std::string_view piece, std::size_t size) {
  constexpr int kGzipHeader = 15 + 16;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipHeader, 9, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::runtime_error{"zlib cannot be initialised"};
  }
  std::vector<Bytef> in(piece.begin(), piece.end());
  std::vector<Bytef> out(64 * 1024);
  std::string result;
  int done = Z_OK;
  while (done != Z_STREAM_END) {
    const std::size_t take = std::min(size, in.size());
    size -= take;
    stream.next_in = in.data();
    stream.avail_in = static_cast<uInt>(take);
    do {
      stream.next_out = out.data();
      stream.avail_out = static_cast<uInt>(out.size());
      done = deflate(&stream, size == 0 ? Z_FINISH : Z_NO_FLUSH);
      result.append(out.begin(), out.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return result;
}

}  // namespace

std::string gzipped(std::string_view text) { return packed(text, text.size()); }

std::string gzip_bomb(std::size_t size) { return packed(std::string(1024 * 1024, ' '), size); }

}  // namespace umbel::reddit_simulator
