// Pictures of the page as textures.

import { ClampToEdgeWrapping, LinearFilter, LinearMipmapLinearFilter, RepeatWrapping, SRGBColorSpace, Texture } from 'three';

/** A texture of an <img>, scaled down to what the device takes: a larger one would be black, without a word. */
export async function textureOf(image, { wraps }, { maxTextureSize, getMaxAnisotropy }) {
  await image.decode();
  const texture = new Texture(fitting(image, maxTextureSize));
  texture.flipY = false;
  texture.colorSpace = SRGBColorSpace;
  texture.wrapS = wraps ? RepeatWrapping : ClampToEdgeWrapping;
  texture.wrapT = ClampToEdgeWrapping;
  texture.minFilter = LinearMipmapLinearFilter;
  texture.magFilter = LinearFilter;
  texture.anisotropy = Math.min(getMaxAnisotropy(), 8);
  texture.needsUpdate = true;
  return texture;
}

function fitting(image, limit) {
  const { naturalWidth: width, naturalHeight: height } = image;
  if (Math.max(width, height) <= limit) return image;
  const scale = limit / Math.max(width, height);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.floor(width * scale));
  canvas.height = Math.max(1, Math.floor(height * scale));
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}
