// A Helia node driven line by line: one JSON request on standard input, one JSON answer on standard output.
//
// {op:'addresses'} {op:'dial',address} {op:'add',path,wrap} {op:'import',path} {op:'fetch',cid,path} {op:'export',cid,path} {op:'stop'}
// It speaks TCP with Noise and Yamux on loopback and finds blocks by Bitswap alone.

import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { car } from '@helia/car'
import { withLibp2pLight } from '@helia/libp2p'
import { globSource, unixfs } from '@helia/unixfs'
import { CarBlockIterator } from '@ipld/car'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

const helia = withBitswap(withLibp2pLight(createHeliaLight(), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
}))
await helia.start()
const files = unixfs(helia)
const cars = car(helia)

// What Kubo does when nothing is asked for: version 0 CIDs have no raw leaves, version 1 CIDs have.
const asKubo = { cidVersion: 0, rawLeaves: false }

const PARALLEL = 32

async function add ({ path, directory }) {
  if (!directory) {
    return (await files.addByteStream(createReadStream(path), asKubo)).toString()
  }
  let root
  for await (const entry of files.addAll(globSource(path, '**/*', { hidden: true }), { ...asKubo, wrapWithDirectory: true })) {
    root = entry.cid
  }
  return root.toString()
}

async function fetchTo (cid, path) {
  const stat = await files.stat(cid)
  if (stat.type !== 'directory') {
    await writeFile(path, files.cat(cid))
    return
  }
  await mkdir(path, { recursive: true })
  // One file after the other would wait for a round trip each.
  const open = new Set()
  for await (const entry of files.ls(cid)) {
    const fetching = fetchTo(entry.cid, join(path, entry.name)).finally(() => open.delete(fetching))
    open.add(fetching)
    if (open.size === PARALLEL) {
      await Promise.race(open)
    }
  }
  await Promise.all(open)
}

async function importCar ({ path }) {
  const reader = await CarBlockIterator.fromIterable(createReadStream(path))
  let count = 0
  for await (const { cid, bytes } of reader) {
    await helia.blockstore.put(cid, bytes)
    count++
  }
  return count
}

async function exportCar ({ cid, path }) {
  await pipeline(Readable.from(cars.export(CID.parse(cid))), createWriteStream(path))
}

const operations = {
  addresses: () => helia.libp2p.getMultiaddrs().map(String),
  dial: async ({ address }) => (await helia.libp2p.dial(multiaddr(address))).remotePeer.toString(),
  add,
  import: importCar,
  fetch: ({ cid, path }) => fetchTo(CID.parse(cid), path),
  export: exportCar,
  stop: () => helia.stop().then(() => null)
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let answer
  try {
    answer = { ok: (await operations[request.op](request)) ?? null }
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
  if (request.op === 'stop') {
    process.exit(0)
  }
}
