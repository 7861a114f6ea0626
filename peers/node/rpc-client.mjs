// kubo-rpc-client through ipfsd-ctl spawns the program named by argv[2] and round-trips the commands of its daemon.
//
// Prints `ok NAME` or `not ok NAME: reason` for each check; the caller counts.

import assert from 'node:assert/strict'
import { createNode } from 'ipfsd-ctl'
import { create } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'

const bin = process.argv[2]
const node = await createNode({ type: 'kubo', bin, rpc: create, test: true, disposable: true, args: ['--offline'] })
const ipfs = node.api
const text = new TextEncoder()
const raw = CID.parse('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')

const all = async source => { const found = []; for await (const item of source) { found.push(item) } return found }
const whole = async source => Buffer.concat(await all(source))

let failed = 0
async function check (name, work) {
  try {
    await work()
    console.log(`ok ${name}`)
  } catch (error) {
    failed++
    console.log(`not ok ${name}: ${String(error.message).split('\n').join(' ')}`)
  }
}

const big = Buffer.alloc(3_000_000, 7)
let file, directory

await check('version', async () => {
  const version = await ipfs.version()
  assert.match(version.version, /^\d+\.\d+\.\d+/)
  assert.ok(Number(version.repo) > 0)
})
await check('id', async () => {
  const id = await ipfs.id()
  assert.match(id.id.toString(), /^12D3KooW/)
  assert.ok(Array.isArray(id.addresses))
  assert.ok(id.agentVersion.length > 0)
})
await check('info of the controller', async () => {
  const info = await node.info()
  assert.ok(info.pid > 0)
  assert.ok(info.api)
})
await check('add bytes', async () => {
  const added = await ipfs.add('hello world\n')
  assert.equal(added.cid.toString(), 'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o')
  assert.equal(added.size, 20)
  file = added.cid
})
await check('add with mode and mtime in the field name', async () => {
  const added = await ipfs.add({ path: 'dated', content: 'x', mode: 0o644, mtime: { secs: 1_000_000_000, nsecs: 5 } })
  assert.equal(added.cid.toString(), 'QmULKig5Fxrs2sC4qt9nNduucXfb92AFYQ6Hi3YRqDmrYC')
})
await check('add of a tree with addAll', async () => {
  const files = [
    { path: 'dir/a.txt', content: 'a' },
    { path: 'dir/inner/b.txt', content: 'b' },
    { path: 'dir/big', content: big }
  ]
  const added = await all(ipfs.addAll(files, { cidVersion: 1 }))
  assert.deepEqual(added.map(({ path }) => path).sort(), ['dir', 'dir/a.txt', 'dir/big', 'dir/inner', 'dir/inner/b.txt'])
  directory = added.find(({ path }) => path === 'dir').cid
})
await check('add with progress', async () => {
  const seen = []
  await ipfs.add(big, { progress: bytes => seen.push(bytes) })
  assert.equal(seen.at(-1), big.length)
})
await check('add with only-hash keeps nothing', async () => {
  const { cid } = await ipfs.add('kept nowhere', { onlyHash: true })
  await assert.rejects(ipfs.block.get(cid, { offline: true, timeout: 5000 }))
})
await check('cat', async () => {
  assert.equal((await whole(ipfs.cat(file))).toString(), 'hello world\n')
  assert.ok((await whole(ipfs.cat(`${directory}/big`))).equals(big))
})
await check('cat with offset and length', async () => {
  assert.equal((await whole(ipfs.cat(file, { offset: 6, length: 5 }))).toString(), 'world')
})
await check('cat of what is not there', async () => {
  await assert.rejects(whole(ipfs.cat(`${directory}/missing`)), /no link named "missing"/)
})
await check('ls', async () => {
  const entries = await all(ipfs.ls(directory))
  assert.deepEqual(entries.map(({ name, type, size }) => [name, type, Number(size)]),
    [['a.txt', 'file', 1], ['big', 'file', big.length], ['inner', 'dir', 0]])
})
await check('get as tar', async () => {
  const tar = await whole(ipfs.get(directory))
  assert.ok(tar.includes('inner/b.txt'))
})
await check('refs', async () => {
  const refs = await all(ipfs.refs(directory, { recursive: true }))
  assert.ok(refs.length >= 4)
})
await check('pin add, ls, rm', async () => {
  await ipfs.pin.rm(directory)
  assert.equal((await ipfs.pin.add(directory)).toString(), directory.toString())
  const pins = await all(ipfs.pin.ls({ paths: [directory], type: 'recursive' }))
  assert.deepEqual(pins.map(({ cid, type }) => [cid.toString(), type]), [[directory.toString(), 'recursive']])
  const every = await all(ipfs.pin.ls())
  assert.ok(every.some(({ cid }) => cid.equals(file)))
  await ipfs.pin.rm(directory)
  await assert.rejects(all(ipfs.pin.ls({ paths: [directory] })), /is not pinned/)
})
await check('block put, get, stat, rm', async () => {
  const cid = await ipfs.block.put(text.encode('hello world'))
  assert.equal(cid.toString(), raw.toString())
  assert.equal(Buffer.from(await ipfs.block.get(cid)).toString(), 'hello world')
  assert.equal((await ipfs.block.stat(cid)).size, 11)
  const removed = await all(ipfs.block.rm(cid))
  assert.equal(removed[0].cid.toString(), cid.toString())
  assert.equal(removed[0].error, undefined)
})
await check('dag export and import', async () => {
  const bytes = await whole(ipfs.dag.export(directory))
  const roots = await all(ipfs.dag.import([bytes]))
  assert.equal(roots[0].root.cid.toString(), directory.toString())
  assert.ok(!roots[0].root.pinErrorMsg)
})
await check('dag import of a CAR with a wrong hash', async () => {
  const bytes = await whole(ipfs.dag.export(file))
  bytes[bytes.length - 1] ^= 1
  await assert.rejects(all(ipfs.dag.import([bytes])))
})
await check('files mkdir, write, read, ls, stat, cp, rm', async () => {
  await ipfs.files.mkdir('/a/b', { parents: true })
  await ipfs.files.write('/a/b/c', text.encode('in MFS'), { create: true })
  assert.equal((await whole(ipfs.files.read('/a/b/c'))).toString(), 'in MFS')
  await ipfs.files.write('/a/b/c', text.encode('IN'), { offset: 0 })
  assert.equal((await whole(ipfs.files.read('/a/b/c'))).toString(), 'IN MFS')
  await ipfs.files.cp(`/ipfs/${file}`, '/a/copy')
  const entries = await all(ipfs.files.ls('/a', { long: true }))
  assert.deepEqual(entries.map(({ name, type }) => [name, type]), [['b', 'directory'], ['copy', 'file']])
  const stat = await ipfs.files.stat('/a/copy')
  assert.equal(stat.cid.toString(), file.toString())
  assert.equal(stat.size, 12)
  await ipfs.files.rm('/a', { recursive: true })
  await assert.rejects(ipfs.files.stat('/a'), /file does not exist/)
})
await check('key gen and list', async () => {
  const key = await ipfs.key.gen('a-key', { type: 'ed25519' })
  const keys = await ipfs.key.list()
  assert.deepEqual(keys.map(({ name }) => name), ['self', 'a-key'])
  assert.equal(keys[1].id, key.id)
})
await check('config', async () => {
  const config = await ipfs.config.getAll()
  assert.ok(config.Identity.PeerID)
  assert.equal(config.Identity.PrivKey, undefined)
  assert.equal(await ipfs.config.get('Identity.PeerID'), config.Identity.PeerID)
})
await check('repo stat, version, gc', async () => {
  const stat = await ipfs.repo.stat()
  assert.ok(stat.numObjects > 0)
  assert.ok(Number(await ipfs.repo.version()) > 0)
  await all(ipfs.repo.gc())
  assert.equal((await whole(ipfs.cat(file))).toString(), 'hello world\n')
})
await check('commands', async () => {
  assert.ok(await ipfs.commands())
})
await check('stops', async () => {
  await node.stop()
})

process.exit(failed === 0 ? 0 : 1)
